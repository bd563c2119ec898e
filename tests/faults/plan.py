"""Which windows a run has: those of continuous integration in their order, or those that a soak draws."""

import random
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from tests.faults.faults import Fault, cluster, forged, network, outbox, processes, servers
from tests.faults.faults.mixed import mixed
from tests.faults.load import draw

SINGLE = (*processes.FAULTS, *servers.FAULTS, *network.FAULTS, *outbox.FAULTS, *forged.FAULTS)
"""Made to an installation with one broker."""
CLUSTER = cluster.FAULTS
"""Made to an installation with three."""
MIXED = mixed("mixed", SINGLE)
CLUSTER_MIXED = mixed("cluster_mixed", (*CLUSTER, *processes.FAULTS, *outbox.FAULTS))
ALL = (*SINGLE, MIXED, *CLUSTER, CLUSTER_MIXED)
FIXED_SEED = 1
_LONGEST_PATIENCE = 4.0
_LONE_EVERY = 5
"""In a soak each so manieth window is of one fault, so that those that do not mix have their turn."""
_CLUSTERS_SHARE = 0.2
"""Of a soak's time."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One window. `patience`: how much longer than in continuous integration its fault may last."""

    name: str
    fault: Fault
    seed: int
    patience: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Session:
    """What is done on one installation."""

    on_cluster: bool
    windows: Iterator[Planned]
    minutes: float = 0.0


def plan_sessions(seed: int, *, only: Collection[str], minutes: float) -> Iterator[Session]:
    """The sessions of a run, one after the other.

    Args:
        only: names of the faults to make; where it is empty, all but several at once on a cluster, which are left to
            soaks.
        minutes: how long to go on drawing windows; 0 for each fault once.
    """
    if minutes:
        alone, on_cluster = minutes * (1 - _CLUSTERS_SHARE), minutes * _CLUSTERS_SHARE
        yield Session(on_cluster=False, windows=_soak("", seed, alone, SINGLE, MIXED), minutes=alone)
        yield Session(on_cluster=True, windows=_soak("c", seed, on_cluster, CLUSTER, CLUSTER_MIXED), minutes=on_cluster)
        return
    single = [fault for fault in (*SINGLE, MIXED) if not only or fault.name in only]
    several = [fault for fault in (*CLUSTER, CLUSTER_MIXED) if fault.name in only] if only else CLUSTER
    if single:
        yield Session(on_cluster=False, windows=_each(single, seed))
    if several:
        yield Session(on_cluster=True, windows=_each(several, seed))


def _each(faults: Sequence[Fault], seed: int) -> Iterator[Planned]:
    """Each fault once, from a fixed seed; several at once from a fixed one and from one that is new in each run."""
    for fault in faults:
        if fault in (MIXED, CLUSTER_MIXED):
            for each in (FIXED_SEED, seed):
                yield Planned(name=f"{fault.name}-{each}", fault=fault, seed=each)
        else:
            yield Planned(name=fault.name, fault=fault, seed=FIXED_SEED)


def _soak(mark: str, seed: int, minutes: float, faults: Sequence[Fault], mixture: Fault) -> Iterator[Planned]:
    limit = time.monotonic() + 60 * minutes
    number = 0
    while time.monotonic() < limit:
        number += 1
        chance = random.Random(draw(seed, f"soak/{mark}{number}"))
        fault = mixture if number % _LONE_EVERY else chance.choice(faults)
        yield Planned(
            name=f"{mark}{number:04}-{fault.name}",
            fault=fault,
            seed=chance.randrange(2**32),
            patience=chance.uniform(1.0, _LONGEST_PATIENCE),
        )
