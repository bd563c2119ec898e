"""Escalation owns the clocks, the runs that raise a ticket's level, and handoffs from one agent to another.

Slices, each of which may use the `domain` and `usecases` of those below it:

- `escalations`: escalation policies and their runs
- `handoffs`: a ticket's way from one owner to the next, with its package
- `notifications`: what is said to people and systems, with attempts
- `sla`: policies and clocks
- `calendars`: when time counts
- `tickets`: what escalation knows of tickets, projected from intake's and routing's events
- `agents`: what escalation knows of agents, projected from routing's events
"""

SLICES = ("escalations", "handoffs", "notifications", "sla", "calendars", "tickets", "agents")
"""Highest first."""
