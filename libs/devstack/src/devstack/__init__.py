"""The local stack and the command `frontline`. Imports contracts and common, never a service."""

LAYERS = (
    "cli",
    "guardian : stack",
    "demo",
    "directory | plans | following",
    "supervisor",
    "client",
    "state",
    "servers",
    "containers | kafka | postgres | jars",
    "databases | topics | processes | ports | loglines | progress",
    "folder",
)
"""Highest first: a module imports only from lines below its own."""
