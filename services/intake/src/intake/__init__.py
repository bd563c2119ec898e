"""Intake owns tickets, their messages, the people and organisations that they are for, and webhooks.

Slices, highest first; a slice may use `domain` and `usecases` of those below it:

- webhooks: where integrators want events posted, and what becomes of each
- messages: what is said on a ticket, and what that does to it
- tickets: the ticket itself: how it is opened, its life, its fields, and what routing says of it
- requesters: the people who ask, and their organisations
"""

SLICES = ("webhooks", "messages", "tickets", "requesters")
