"""People who ask, and their organisations.

A person is known by one key, `(system, external_id)`: the owning system's own id for them, or, where a caller knows
only an address, `("email", <address in lower case>)`. Two keys are two persons, also where the addresses agree: an
address is a claim of whoever wrote, and must not open another person's tickets.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cache
from uuid import UUID
from zoneinfo import available_timezones

from common.errors import InvalidInput
from contracts.intake import RequesterUpdated

EMAIL_SYSTEM = "email"
LANGUAGE_PATTERN = r"^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$"
"""The common part of BCP 47."""
EMAIL_PATTERN = r"^([^@\s]+@[^@\s]+)?$"


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
    """A person who asks. Names and addresses stay in intake. `timezone` is an IANA name, empty where nobody said.

    `agent_id` is the agent in routing's directory that the person is, where a colleague asks; nobody here knows whether
    there is such an agent. `version` rises whenever something about the person changes.
    """

    id: UUID
    system: str
    external_id: str
    email: str
    name: str
    language: str
    organisation_id: UUID | None
    timezone: str
    agent_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RequesterEdit:
    """What a caller wants changed of a person; None leaves a field as it is, an empty text or `no_agent` clears it."""

    email: str | None = None
    name: str | None = None
    language: str | None = None
    timezone: str | None = None
    agent_id: UUID | None = None
    no_agent: bool = False


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
    agent_id: UUID | None = None
    organisation: GivenOrganisation | None = None


def given_requester(
    *,
    system: str,
    external_id: str,
    email: str,
    name: str = "",
    language: str = "",
    timezone: str = "",
    agent_id: UUID | None = None,
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
    check_timezone(timezone, pointer="/requester/timezone")
    return GivenRequester(
        system=system or EMAIL_SYSTEM,
        external_id=external_id or email.lower(),
        email=email,
        name=name,
        language=language,
        timezone=timezone,
        agent_id=agent_id,
        organisation=organisation,
    )


def edited(person: Requester, wanted: RequesterEdit, *, now: datetime) -> tuple[Requester, RequesterUpdated | None]:
    """The person with what is wanted, and what to tell of it; None where it is so already.

    Raises:
        InvalidInput: the time zone is none.
    """
    check_timezone(wanted.timezone or "", pointer="/timezone")
    given = {field.name: getattr(wanted, field.name) for field in fields(wanted) if field.name != "no_agent"}
    changed = {name: value for name, value in given.items() if value not in (None, getattr(person, name))}
    if wanted.no_agent and person.agent_id is not None:
        changed["agent_id"] = None
    if not changed:
        return person, None
    after = replace(person, **changed, version=person.version + 1, updated_at=now)
    told = RequesterUpdated(
        requester_id=person.id,
        fields=tuple(changed),
        organisation_id=person.organisation_id,
        language=after.language,
        timezone=after.timezone,
        agent_id=after.agent_id,
    )
    return after, told


def check_timezone(name: str, *, pointer: str) -> None:
    """Refuse a name that the IANA data base does not have; empty is not known, and fine.

    Raises:
        InvalidInput: with this pointer.
    """
    if name and name not in _timezones():
        raise InvalidInput("the time zone is not known", pointers=[(pointer, "is no IANA time zone")])


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())
