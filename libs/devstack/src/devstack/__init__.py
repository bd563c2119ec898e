"""The local stack and the command `frontline`. Imports contracts and common, never a service."""
