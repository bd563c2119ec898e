"""A handoff's package that lacks nothing."""

from typing import Any

PACKAGE: dict[str, Any] = {
    "restatement": "The till cannot reach the server since the update.",
    "impact_and_scope": "One shop, all four tills.",
    "environment": {"version": "4.2", "os": "Linux"},
    "timeline_summary": "Reported at nine; restarted twice.",
    "steps_tried": [{"step": "restarted the till", "outcome": "no change"}],
    "hypotheses": [{"text": "an old certificate", "state": "supported"}],
    "evidence": ["log 17"],
    "ask": "Look at the certificate store.",
    "customer_mood": "patient",
    "promises_made": [],
    "deadlines_left": "resolution due at three",
}
