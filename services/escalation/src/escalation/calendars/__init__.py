"""Calendars: when time counts.

- `hours.py` (above domain): the arithmetic of open time, because it is more than values and long.
"""
