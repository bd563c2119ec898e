"""Which events of all four topics the figures are computed from."""

from common.backbone.consumer import Handler
from feedback.figures.facts import FOLLOWED
from feedback.figures.usecases import follow_topics

FIGURES = Handler(
    name="figures",
    types=frozenset(body.event_type for body in FOLLOWED),
    apply=follow_topics,
)
