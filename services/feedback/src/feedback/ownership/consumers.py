"""Which events of routing tell of owners."""

from common.backbone.consumer import Handler
from contracts.routing import AssignmentAssigned, AssignmentUnassigned
from feedback.ownership.usecases import follow_owners

OWNERSHIP = Handler(
    name="ownership",
    types=frozenset({AssignmentAssigned.event_type, AssignmentUnassigned.event_type}),
    apply=follow_owners,
)
