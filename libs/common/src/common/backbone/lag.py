"""What a consumer tells of how far behind it is, by partition."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from common.backbone import metrics
from common.backbone.applying import Item
from common.backbone.protocols import Place


class Lag:
    """The gauges of one consumer; a gauge stands until it is told otherwise."""

    def __init__(self) -> None:
        self._told: set[Place] = set()

    def tell(self, items: Sequence[Item], ends: Mapping[Place, int], *, now: datetime, waiting: bool = False) -> None:
        """By the last record of what was applied, or by the first of what waits since nothing can be applied.

        Args:
            ends: the offset behind the last record of each partition.
        """
        shown = {item.record.place: item.record for item in (reversed(items) if waiting else items)}
        for place, record in shown.items():
            left = ends.get(place, 0) - record.offset - (0 if waiting else 1)
            # What came late and was the last leaves nothing behind: its age would stand there until the next one comes.
            is_behind = waiting or left > 0
            age_s = now.timestamp() - record.written_at_ms / 1000 if is_behind and not record.fault else 0.0
            metrics.time_lag.set(max(0.0, age_s), _labels(place))
            metrics.offset_lag.set(max(1 if waiting else 0, left), _labels(place))
        self._told |= shown.keys()

    def keep(self, places: Collection[Place]) -> None:
        """Of all others somebody else tells now; what was said last would stay for ever."""
        for place in self._told - set(places):
            metrics.time_lag.set(0.0, _labels(place))
            metrics.offset_lag.set(0, _labels(place))
        self._told &= set(places)


def _labels(place: Place) -> dict[str, str | int]:
    return {"topic": place.topic, "partition": place.partition}
