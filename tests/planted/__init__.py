"""Classic errors, planted on purpose: each is refused by the simulation, or the simulation is worth nothing.

A plant replaces one function of production (or, where that is SQL, one of the simulated server) by a version
with the error. `PLANTS` holds them by name.
"""

from contextlib import AbstractContextManager

from tests.planted import consuming, publishing
from tests.planted.plant import Plant

PLANTS: dict[str, Plant] = {plant.name: plant for plant in (*publishing.PLANTS, *consuming.PLANTS)}


def planted(name: str) -> AbstractContextManager[None]:
    """The error, as long as the context lasts.

    Raises:
        KeyError: there is no plant of that name.
    """
    return PLANTS[name].planted()
