"""Webhooks: events posted to integrators who have no Kafka, by the Standard Webhooks specification.

What waits stands in *lines*, one for each endpoint and subject: only the first of a line is ever posted, so a subject's
events arrive in their order, and no line waits for another. A line's row is what senders claim and what everybody who
adds to a line or takes from it locks first.

Events of other services are put into lines by the consumer's handler, in the transaction that moves the cursor of
their subject. Intake's own are fed from its archive, for each endpoint from a position of its own that only moves past
what is settled (`common.feed`); so a replay is that position set back, and a disabled endpoint costs nothing.

Rows are locked in this order: endpoint, feed, lines (by endpoint and subject), deliveries.

Rooms of its own:

- `keys.py` (above domain): what signs, and how it is sealed at rest.
- `queue.py` (above store): all SQL of lines, because with that of endpoints it would fill two files.
- `log.py` (above queue): all SQL of the log of deliveries, because it is another question than what is due.
- `settling.py` (above usecases): what becomes of a line and its endpoint after an attempt.
- `feeding.py` (above settling): the role that feeds intake's own events from the archive.
- `sending.py` (above feeding): the role that posts.
"""
