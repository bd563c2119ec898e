"""Who may say what in which direction."""

from typing import Any
from uuid import UUID

import pytest

from common.errors import InvalidInput
from intake.messages.domain import (
    Author,
    AuthorType,
    Direction,
    NewMessage,
    author_of,
    check_flags,
    counts_as_response,
)
from intake.requesters.domain import given_requester

REQUESTER, AGENT, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
BY_AGENT = Author(type=AuthorType.AGENT, id=AGENT)
AUTOMATION = Author(type=AuthorType.AUTOMATION)


def wanted(direction: Direction, author: Author | None = None, **more: Any) -> NewMessage:
    """A message to be said."""
    return NewMessage(direction=direction, channel="web", body="b", author=author, **more)


@pytest.mark.parametrize(
    ("direction", "named", "acting", "author"),
    [
        (Direction.INBOUND, None, None, Author(type=AuthorType.REQUESTER, id=REQUESTER)),
        (Direction.INBOUND, None, AGENT, Author(type=AuthorType.REQUESTER, id=REQUESTER)),
        (Direction.OUTBOUND, None, AGENT, BY_AGENT),
        (Direction.OUTBOUND, None, None, AUTOMATION),
        (Direction.OUTBOUND, BY_AGENT, None, BY_AGENT),
        (Direction.OUTBOUND, BY_AGENT, AGENT, BY_AGENT),
        (Direction.OUTBOUND, Author(type=AuthorType.AGENT), AGENT, BY_AGENT),
        (Direction.OUTBOUND, AUTOMATION, AGENT, AUTOMATION),
        (Direction.INTERNAL, Author(type=AuthorType.SYSTEM), None, Author(type=AuthorType.SYSTEM)),
    ],
)
def test_who_speaks(direction: Direction, named: Author | None, acting: UUID | None, author: Author) -> None:
    """By what was said, else by who acts."""
    assert author_of(wanted(direction, named), requester_id=REQUESTER, agent_id=acting) == author


@pytest.mark.parametrize(
    ("direction", "named", "acting"),
    [
        (Direction.INBOUND, BY_AGENT, None),
        (Direction.INBOUND, Author(type=AuthorType.REQUESTER, id=OTHER), None),
        (Direction.OUTBOUND, Author(type=AuthorType.REQUESTER, id=REQUESTER), None),
        (Direction.INTERNAL, Author(type=AuthorType.REQUESTER), None),
        (Direction.OUTBOUND, Author(type=AuthorType.AGENT), None),
        (Direction.OUTBOUND, BY_AGENT, OTHER),
        (Direction.INTERNAL, Author(type=AuthorType.AUTOMATION, id=OTHER), None),
    ],
)
def test_who_cannot_speak(direction: Direction, named: Author, acting: UUID | None) -> None:
    """A pointer into the author."""
    with pytest.raises(InvalidInput) as refusal:
        author_of(wanted(direction, named), requester_id=REQUESTER, agent_id=acting)
    assert refusal.value.pointers[0][0].startswith("/author/")


@pytest.mark.parametrize(
    ("direction", "author", "flag"),
    [
        (Direction.OUTBOUND, BY_AGENT, "ack_only"),
        (Direction.INBOUND, Author(type=AuthorType.REQUESTER), "awaits_customer"),
        (Direction.OUTBOUND, AUTOMATION, "awaits_customer"),
        (Direction.INTERNAL, BY_AGENT, "awaits_customer"),
        (Direction.INTERNAL, BY_AGENT, "counts_as_response"),
        (Direction.INBOUND, Author(type=AuthorType.REQUESTER), "counts_as_response"),
    ],
)
def test_flags_that_mean_nothing(direction: Direction, author: Author, flag: str) -> None:
    """Each is refused by name."""
    with pytest.raises(InvalidInput) as refusal:
        check_flags(wanted(direction, **{flag: True}), author)
    assert [pointer for pointer, _ in refusal.value.pointers] == [f"/{flag}"]


def test_what_counts_as_a_response() -> None:
    """An agent's outbound message, or what the caller says of an outbound one."""
    assert counts_as_response(wanted(Direction.OUTBOUND), BY_AGENT)
    assert not counts_as_response(wanted(Direction.OUTBOUND), AUTOMATION)
    assert not counts_as_response(wanted(Direction.INTERNAL), BY_AGENT)
    assert not counts_as_response(wanted(Direction.OUTBOUND, counts_as_response=False), BY_AGENT)
    assert counts_as_response(wanted(Direction.OUTBOUND, counts_as_response=True), AUTOMATION)


@pytest.mark.parametrize(
    ("system", "external_id", "email"), [("", "", ""), ("shop", "", "a@b"), ("", "u1", ""), ("email", "A@b", "")]
)
def test_a_person_has_one_key(system: str, external_id: str, email: str) -> None:
    """Half a key, none, or an address in capitals as a key."""
    with pytest.raises(InvalidInput):
        given_requester(system=system, external_id=external_id, email=email)


def test_an_address_is_a_key_in_lower_case() -> None:
    """Shown as it was written."""
    given = given_requester(system="", external_id="", email="Ada@Example.org")
    assert (given.system, given.external_id, given.email) == ("email", "ada@example.org", "Ada@Example.org")
