"""People who ask, and their organisations.

A person is known by one key, `(system, external_id)`: the owning system's own id for them, or, where a caller knows
only an address, `("email", <address in lower case>)`. Two keys are two persons, also where the addresses agree: an
address is a claim of whoever wrote, and must not open another person's tickets.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

from common.errors import InvalidInput

EMAIL_SYSTEM = "email"


@dataclass(frozen=True, kw_only=True, slots=True)
class Organisation:
    """A customer of this installation, under the key `(system, external_id)`."""

    id: UUID
    system: str
    external_id: str
    name: str
    timezone: str
    support_plan: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Requester:
    """A person who asks. Names and addresses stay in intake. `timezone` is an IANA name, empty where nobody said."""

    id: UUID
    system: str
    external_id: str
    email: str
    name: str
    language: str
    organisation_id: UUID | None
    timezone: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenOrganisation:
    """An organisation as a caller gives it along with a person; its system is the person's."""

    external_id: str
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenRequester:
    """A person as a caller gives it. Empty fields leave what is known as it is."""

    system: str
    external_id: str
    email: str = ""
    name: str = ""
    language: str = ""
    timezone: str = ""
    organisation: GivenOrganisation | None = None


def given_requester(
    *,
    system: str,
    external_id: str,
    email: str,
    name: str = "",
    language: str = "",
    timezone: str = "",
    organisation: GivenOrganisation | None = None,
) -> GivenRequester:
    """The person under its key; see the module for the two kinds of keys.

    Raises:
        InvalidInput: neither (system, external_id) nor email is given, or only half of the first; or the time zone is
            none.
    """
    if bool(system) != bool(external_id):
        missing = "external_id" if system else "system"
        raise InvalidInput("system and external_id go together", pointers=[(f"/requester/{missing}", "is required")])
    if not system and not email:
        raise InvalidInput(
            "the requester is not named", pointers=[("/requester", "give system and external_id, or email")]
        )
    if system == EMAIL_SYSTEM and external_id != external_id.lower():
        raise InvalidInput("an address is a key in lower case", pointers=[("/requester/external_id", "lower case")])
    if timezone and timezone not in _timezones():
        raise InvalidInput("the time zone is not known", pointers=[("/requester/timezone", "is no IANA time zone")])
    return GivenRequester(
        system=system or EMAIL_SYSTEM,
        external_id=external_id or email.lower(),
        email=email,
        name=name,
        language=language,
        timezone=timezone,
        organisation=organisation,
    )


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())
