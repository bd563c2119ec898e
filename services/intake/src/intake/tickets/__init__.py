"""Tickets: opened once, moved by commands and by facts, shown with what other services say of them.

Rooms beyond the usual ones:

- `transitions.py` (above domain): the allowed moves as data, so that the whole table is seen at once.
- `lifecycle.py` (above transitions): the decision of each command and fact, because with the values they would fill
  two screens too many.
- `edits.py` (above domain): the decisions that change plain fields and leave the status alone.
- `escalated.py` (above domain): the fold of clocks and handoffs, which needs nothing else of the ticket.
- `projection.py` (above lifecycle): the fold of other services' events onto a ticket, because it decides without
  refusing.
- `opening.py` (above domain): how a ticket comes into being, because it says what three slices tell of it.
- `answers.py` (above schemas): what callers get, too long to stand beside what they send.
- `opening_store.py` (above store): the one statement that opens tickets, because it writes the rows of three slices.
"""
