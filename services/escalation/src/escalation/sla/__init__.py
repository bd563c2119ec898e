"""Service levels: which policy holds for a ticket, and the clocks that run under it.

- `clocks.py` (above domain): what can happen to one clock, because `domain` holds the values alone.
- `effects.py` (above clocks): what one event does to a ticket's clocks, which is long.
- `fold.py` (above effects): a ticket's events in their order, pure, so that replay, tests and benchmark share it.
- `telling.py` (above fold): what must be told when a fold has moved on, which is a rule of its own.
- `proof.py` (above telling): a clock's arithmetic on paper, for people.
- `book.py` (above store): the policies and calendars in force at every time, read once for each of their changes.
- `following.py` (above book): the use cases of consumer and timer; `usecases.py` holds the commands and queries.
"""
