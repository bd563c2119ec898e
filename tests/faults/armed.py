"""`python -m tests.faults.armed <service> api|worker [...]`: a service as it is, watched, and armed at named points.

The service's own code knows nothing of this. Its functions are wrapped before it starts:

- each delivered event is noted in the table `effect_log`, in the transaction that applies it;
- as long as the file that FAULTS_TRAP names says "<point> <n>", the process kills itself at its n-th passage of the
  point;
- with FAULTS_FORGED_LEASE=1 the relay believes that every shard is its own, whatever the leases say.
"""

import asyncio
import os
import random
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import database
from common.backbone import applying, kafka, relay_store
from common.outbox import SHARDS
from contracts.envelope import Event

EFFECT_LOG = """
    create table effect_log (
      row bigint generated always as identity primary key,
      source text not null, subject text not null, seq bigint not null, event_id uuid not null,
      applied_at timestamptz not null default clock_timestamp()
    )
"""
_NOTE = """
    insert into effect_log (source, subject, seq, event_id)
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[])
"""
POINTS = {
    "before_send": "before a batch is given to Kafka",
    "before_delete": "after Kafka acknowledged a batch, before its rows are deleted",
    "before_commit": "before COMMIT",
    "in_commit": "within 2 ms after COMMIT was written",
    "rebalance": "in the callback of a rebalance",
}
_IN_COMMIT_S = 0.002


@dataclass(kw_only=True)
class Trap:
    """Kills the process at the n-th passage of a point, for as long as its file names them.

    The file goes when the trap springs, so that it works once; who removes it before that disarms it.
    """

    file: Path
    set_to: str = ""
    left: int = 0

    def springs(self, point: str) -> bool:
        """Whether this passage is the one."""
        try:
            set_to = self.file.read_text()
        except FileNotFoundError:
            set_to = ""
        armed_at, _, count = set_to.partition(" ")
        if set_to != self.set_to:
            self.set_to, self.left = set_to, int(count or 0)
        if point != armed_at:
            return False
        self.left -= 1
        if self.left:
            return False
        self.file.unlink(missing_ok=True)
        return True

    def pass_by(self, point: str) -> None:
        """Pass a point, or end there."""
        if self.springs(point):
            _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note_effects() -> None:
    """Write down what is applied, in the same transaction."""
    dispatch = applying.dispatch

    async def dispatch_and_note(tx: Any, handlers: Any, events: Sequence[Event]) -> None:
        await dispatch(tx, handlers, events)
        if events:
            sources = [event.source.rpartition("/")[2] for event in events]
            subjects, seqs = [event.subject for event in events], [event.seq for event in events]
            await tx.fetch(_NOTE, sources, subjects, seqs, [event.id for event in events])

    applying.dispatch = dispatch_and_note


def arm(trap: Trap) -> None:
    """Put the trap at every point."""
    send, delete, end = kafka.KafkaOutgoing.send, relay_store.PostgresOutbox.delete_rows, database._commit
    revoked, assigned = kafka.Dealt.on_partitions_revoked, kafka.Dealt.on_partitions_assigned

    async def send_armed(self: Any, *given: Any) -> int:
        trap.pass_by("before_send")
        return await send(self, *given)

    async def delete_armed(self: Any, *given: Any) -> None:
        trap.pass_by("before_delete")
        await delete(self, *given)

    async def commit_armed(driver: Any) -> None:
        trap.pass_by("before_commit")
        if trap.springs("in_commit"):
            # The loop comes to this when the statement is on its way and we wait for the answer.
            after = random.uniform(0.0, _IN_COMMIT_S)
            asyncio.get_running_loop().call_soon(lambda: threading.Timer(after, _end).start())
        await end(driver)

    def revoked_armed(self: Any, partitions: object) -> None:
        trap.pass_by("rebalance")
        revoked(self, partitions)

    def assigned_armed(self: Any, partitions: object) -> None:
        trap.pass_by("rebalance")
        assigned(self, partitions)

    kafka.KafkaOutgoing.send = send_armed
    relay_store.PostgresOutbox.delete_rows = delete_armed
    database._commit = commit_armed
    kafka.Dealt.on_partitions_revoked = revoked_armed
    kafka.Dealt.on_partitions_assigned = assigned_armed


def forge_lease() -> None:
    """Let the relay believe that it owns every shard, without asking the leases."""

    async def all_ours(_self: Any, _holder: str) -> frozenset[int]:
        return frozenset(range(SHARDS))

    async def nothing_new(_self: Any, _holder: str) -> frozenset[int]:
        return frozenset()

    relay_store.PostgresOutbox.renew_shards = all_ours
    relay_store.PostgresOutbox.claim_shards = nothing_new


def main() -> None:
    """Wrap, then become the service."""
    service = sys.argv[1]
    note_effects()
    arm(Trap(file=Path(os.environ["FAULTS_TRAP"])))
    if os.environ.get("FAULTS_FORGED_LEASE"):
        forge_lease()
    sys.argv[:] = sys.argv[1:]
    runpy.run_module(service, run_name="__main__")


if __name__ == "__main__":
    main()
