"""The public event contract: envelope, topics, event types and their bodies. Imports nothing of ours."""

LAYERS = (
    "__main__",
    "releases",
    "asyncapi | compatibility",
    "documents | examples",
    "escalation_examples | feedback_examples | intake_examples | routing_examples",
    "example_ids",
    "escalation | feedback | intake | routing",
    "words",
    "registry",
    "envelope | topics",
)
"""Highest first: a module imports only from lines below its own. `make check` reads this."""
