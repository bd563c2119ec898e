"""A projection: tables that are a function of the events alone, so that they can be made again from the topics."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Table

from common.backbone.consumer import Handler


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What a service declares of tables that can be rebuilt.

    Attributes:
        name: for operators, for instance "figures".
        handlers: write these tables and nothing else: no event, no call, no timer. A rebuild runs them where no other
            table can be reached, and refuses one that publishes.
        tables: all that they read and write, in the order in which they lock them; each has a primary key.
        kind: of the subjects whose events they take, for instance "ticket"; each row depends on one subject alone.
        key: the column of every table that holds that subject's id, a UUID.
    """

    name: str
    handlers: Sequence[Handler]
    tables: Sequence[Table]
    kind: str
    key: str
