"""Public holidays, by the `holidays` library: its release says what will be a holiday in years to come."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

import holidays


@lru_cache(maxsize=512)
def list_holidays(country: str, subdivision: str, year: int) -> Mapping[date, str]:
    """The public holidays of a year with their names; none where `country` is empty."""
    if not country:
        return {}
    return dict(holidays.country_holidays(country, subdiv=subdivision or None, years=year, expand=False))


@lru_cache(maxsize=1)
def list_regions() -> Mapping[str, Sequence[str]]:
    """The countries whose holidays are known, by ISO 3166-1 code, with their subdivisions by ISO 3166-2."""
    return holidays.list_supported_countries()
