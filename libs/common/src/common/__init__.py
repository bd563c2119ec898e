"""What every Frontline service shares and no ticket rule knows: the event backbone, the web edge, process life."""

LAYERS = (
    "service",
    "process",
    "admin | http | web",
    "backbone | timers | feed | calls",
    "answering | migrate | runtime | errands | webhooks",
    "database",
    "outbox",
    "tables",
    "transaction",
    "lifecycle : telemetry",
    "settings",
    "certificates",
    "match",
    "bells | errors | ids | clock | pool | statement",
)
"""Highest first: a module imports only from lines below its own. `make check` reads this."""
