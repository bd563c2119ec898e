"""What took the processors while something was measured, and so what limits it."""

import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

from tests.support.servers import Servers
from tests.support.stack import Stack

OURSELVES = "Python"
_BUSY = 0.85
"""Share of its core from which a process counts as what limits."""


def read_cpu_s(stack: Stack) -> dict[str, float]:
    """Seconds of processor time so far, by process: the services', and the servers' where they run on this machine."""
    found = {name: psutil.Process(process.running.pid) for name, process in stack.processes.items() if process.running}
    return {name: _total_s(process) for name, process in (found | _find_servers(stack.servers)).items()}


@dataclass
class _Taken:
    """Sums over the runs that count: events, seconds by the clock, seconds of the processors by process."""

    events: int = 0
    wall_s: float = 0.0
    machine_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict[str, float])


class Processors:
    """Notes what this process and the servers take of the processors, for each of several contenders."""

    def __init__(self, servers: Servers) -> None:
        """Args: servers: left out where they do not run on this machine."""
        self._processes = {OURSELVES: psutil.Process()} | _find_servers(servers)
        self._taken: dict[str, _Taken] = {}

    @contextmanager
    def taken_by(self, name: str, *, events: int, more: Mapping[str, int] | None = None) -> Generator[None]:
        """Add what the block takes to what `name` took for so many events; 0 events: it does not count.

        Args:
            more: further processes by name, as process ids.
        """
        processes = self._processes | {each: psutil.Process(pid) for each, pid in (more or {}).items()}
        before = {each: _total_s(process) for each, process in processes.items()}
        machine, begun = _machine_s(), time.perf_counter()
        yield
        if not events:
            return
        taken = self._taken.setdefault(name, _Taken())
        taken.events += events
        taken.wall_s += time.perf_counter() - begun
        taken.machine_s += _machine_s() - machine
        for each, process in processes.items():
            taken.cpu_s[each] = taken.cpu_s.get(each, 0.0) + _total_s(process) - before[each]

    def say(self, name: str) -> str:
        """Microseconds an event by process, and what limits: a process that fills its core, all cores, or waiting."""
        taken = self._taken[name]
        each = {process: 1e6 * cpu / taken.events for process, cpu in taken.cpu_s.items()}
        parts = ", ".join(f"{process} {spent:,.0f}" for process, spent in each.items() if spent >= 0.5)
        return f"{name}: {sum(each.values()):,.0f} us of the processors an event ({parts}), limited by {_limit(taken)}"


def _limit(taken: _Taken) -> str:
    cores = os.cpu_count() or 1
    shares = {name: cpu / taken.wall_s for name, cpu in taken.cpu_s.items()}
    busiest = max(shares, key=lambda name: shares[name])
    machine = taken.machine_s / taken.wall_s
    if machine >= _BUSY * cores:
        others = machine - sum(shares.values())
        strangers = f", {others:.1f} of them by strangers" if others >= 0.2 else ""
        return f"the processors: {machine:.1f} of {cores} busy{strangers}; most by {busiest}, {shares[busiest]:.2f}"
    if shares[busiest] >= _BUSY:
        return f"{busiest}, which fills {shares[busiest]:.2f} cores"
    return f"waiting for disk and answers: {busiest} is the busiest with {shares[busiest]:.2f} cores"


def _find_servers(servers: Servers) -> dict[str, psutil.Process]:
    ports = {
        "PostgreSQL": urlsplit(servers.postgres_url).port,
        "Kafka": int(servers.kafka_bootstrap.rpartition(":")[2]),
    }
    listening = {
        each.laddr.port: each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.pid
    }
    return {name: psutil.Process(listening[port]) for name, port in ports.items() if port in listening}


def _machine_s() -> float:
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq


def _total_s(process: psutil.Process) -> float:
    """With its children, those that have ended too: PostgreSQL makes one for each connection."""
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system
    return total
