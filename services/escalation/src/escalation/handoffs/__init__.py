"""Handoffs: a ticket's way from one owner to the next, with what the next one must know.

Once requested, routing alone says how it ended: a command to withdraw, a decline or the end of its time only recalls
it (`ending`), and what routing says then is the outcome. So every race has one winner, and no event is contradicted.

Rooms beyond the usual ones:

- `package.py` (above domain): how complete a package is, because domain is long enough.
- `lifecycle.py` (above package): the decision of each command and of the timers, because it moves what domain declares.
- `hearing.py` (above lifecycle): the fold of routing's and intake's events, because it decides without refusing.
- `wording.py` (above domain): what the customer is told, by language, and what the sender is reminded of: texts alone.
- `keeping.py` (above store): saves a handoff with its timers, events and calls, for commands and events alike.
- `reminding.py` (above keeping): what an emergency's package lacks when it is due, because only a timer asks for it.
- `calls.py` (above keeping): what is heard of the calls that tell the customer, because the caller's role asks for it.
- `following.py` (above keeping): a batch of events, loaded in one query and saved in one statement.
- `answering.py` (above usecases): commands in steps, which call routing or wait for it while no transaction is open.
"""
