"""Work: what waits for an agent, who has it, and the decision between.

Rooms of its own:

- `rule/` (above domain): the parts of the engine, because the rule is too long for one file.
- `engine.py` (above rule): the rule in memory, pure, so that production, simulator and benchmark run the same code.
- `explanation.py` (above engine): decisions and waits in words, because the API and the decider both tell them.
- `item.py` (above explanation): a work item with who has it, because `domain` holds the engine's words.
- `moves.py` (above item): the moves that a work item can make, too long to stand beside it.
- `offering.py` (above moves): the life of an offer, which would make `item` too long.
- `handoffs.py` (above offering): a handoff as work beside the ticket's own, which follows other rules.
- `facts.py` (above handoffs): work and agents in the engine's units, because commands and decider both need them.
- `keeping.py` (above store): saving work with all that follows from it, shared by commands, consumer and decider.
- `pulling.py` (above keeping): the use case of an agent who asks, too long to stand beside the other commands.
- `following.py` (above keeping): the use case of the consumer, too long to stand beside the commands.
- `deciding.py` (above keeping): the use case of the decider: one batch of decisions in one transaction.
- `memory.py` (above deciding): the engine of one pool and how it is kept in step with the tables.
- `decider.py` (above memory): the role that owns a pool and drives its engine.
"""
