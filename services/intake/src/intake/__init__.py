"""Intake owns tickets, their messages, and the people and organisations that they are for.

Slices, highest first; a slice may use `domain` and `usecases` of those below it:

- messages: what is said on a ticket, and what that does to it
- tickets: the ticket itself: how it is opened, its life, its fields, and what routing says of it
- requesters: the people who ask, and their organisations
"""

SLICES = ("messages", "tickets", "requesters")
