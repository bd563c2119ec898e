"""The lower bound of the relay's reads. Without one each read walks over what was deleted before it, more every second.

A row with a low id may be committed late, so the bound is not the highest id sent. It moves by one rule only: the
sequence is read, then a transaction id of our own is allocated. Whoever drew an id up to that number had a
transaction id before (writing an event locks its subject's counter first), hence a lower one than ours. When no
transaction is older than ours any more, all rows up to that number are visible or will never be, and the bound may rise
to just below the lowest row that is left.
"""

from dataclasses import dataclass, field

from common.backbone.protocols import OutboxStore, Sample

EVERY_S = 0.2


@dataclass(kw_only=True)
class Floors:
    """The bound of each shard that we hold, 0 at first: a new server may hand out lower ids than an old one saw."""

    by_shard: dict[int, int] = field(default_factory=dict[int, int])
    _sample: Sample | None = None
    _may_rise: bool = True

    def hold(self, shards: frozenset[int]) -> None:
        """Keep exactly these shards; new ones begin at 0."""
        self.by_shard = {shard: self.by_shard.get(shard, 0) for shard in sorted(shards)}

    def note_deletion(self) -> None:
        """Rows were deleted, so the bounds lag behind. Without any, no transaction ids are spent on raising them."""
        self._may_rise = True

    async def raise_by(self, store: OutboxStore) -> None:
        """Follow the rule one step: take a sample, or use the last one if its time has come."""
        if not self.by_shard or not self._may_rise:
            return
        if self._sample is None:
            self._sample = await store.draw_sample()
            return
        raised = await store.raise_floors(self._sample, self.by_shard)
        if raised is not None:
            self.by_shard = raised
            self._sample = None
            self._may_rise = False

    async def sweep(self, store: OutboxStore) -> int:
        """Look below the bounds and return how many rows are there: none, unless somebody else wrote or we are wrong.

        Their shards begin at 0 again, so that nothing stays behind.
        """
        below = await store.find_below(self.by_shard)
        for shard, _ in below:
            self.by_shard[shard] = 0
        return len(below)
