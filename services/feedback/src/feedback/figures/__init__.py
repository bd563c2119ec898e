"""Figures: KPIs computed from what the four topics say, each with the tickets behind the number.

Rooms of its own:

- `facts.py` (above domain): what the figures keep of a ticket, folded from each service's events apart, so that it does
  not matter in which order the topics arrive.
- `observing.py` (above facts): the one place that says what counts, from a ticket's facts alone; `docs/figures.md` says
  the same in words.
"""
