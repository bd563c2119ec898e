"""Tickets: opened once, moved by commands and by facts, shown with what routing says of them.

Rooms beyond the usual ones:

- `lifecycle.py` (above domain): the status transitions as data and the decision of each command, because
  with the values they would fill two screens too many.
- `edits.py` (above domain): the decisions that change plain fields and leave the status alone.
- `projection.py` (above lifecycle): the fold of routing's events onto a ticket, because it decides without refusing.
- `opening.py` (above domain): how a ticket comes into being, because it says what three slices tell of it.
- `opening_store.py` (above store): the one statement that opens tickets, because it writes the rows of three slices.
"""
