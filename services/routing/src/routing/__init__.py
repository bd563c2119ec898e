"""Routing owns agents, desks, offers, assignments and decisions: it gives every ticket to the right agent.

Slices, each of which may use the `domain` and `usecases` of those below it:

- `work`: work items, offers, assignments, decisions, the engine and the decider that drives it
- `tickets`: what routing knows of tickets, projected from intake's events
- `queues`: desks, their match rules and routing policies
- `agents`: the directory of agents, their skills, presence and load
- `pools`: who decides for a pool, and what a decider must look at again
"""

SLICES = ("work", "tickets", "queues", "agents", "pools")
"""Highest first."""
