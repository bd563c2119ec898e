"""Notifications: what is said to people and systems about a ticket, with every attempt to say it.

Rooms of its own:

- `signing.py` (above domain): the secret of webhooks.
- `posting.py` (above signing): one attempt to deliver to a system, by HTTP.
- `mailing.py` (above posting): one attempt to deliver by mail.
- `sender.py` (above usecases): the role that delivers what does not go through a sister service.
"""
