"""The local stack and the command `frontline`. Imports contracts and common, never a service."""

LAYERS = (
    "cli",
    "stack | guardian | directory",
    "plans | servers",
    "supervisor | state | databases | topics | kafka | postgres | jars | client",
    "folder | ports | processes | progress",
)
"""Highest first: a module imports only from lines below its own. `make check` reads this."""
