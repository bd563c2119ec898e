"""Notifications: what is said to people and systems about a ticket, with every attempt to say it.

Rooms of its own:

- `signing.py` (above domain): the signature of webhooks, which others must be able to check.
- `addresses.py` (above signing): which addresses a webhook may go to.
- `posting.py` (above addresses): one attempt to deliver to a system, by HTTP.
- `mailing.py` (above posting): one attempt to deliver by mail.
- `sender.py` (above usecases): the role that delivers what does not go through a sister service.
"""
