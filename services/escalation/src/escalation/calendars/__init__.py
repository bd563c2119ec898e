"""Calendars: when time counts.

- `public.py` (above domain): public holidays, which a library knows that a domain must not import.
"""
