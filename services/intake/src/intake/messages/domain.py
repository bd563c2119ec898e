"""A message, and who may say it how."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from common.errors import InvalidInput
from contracts.intake import MessageAdded


class Direction(StrEnum):
    """Which way a message goes; internal ones never leave the team."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class AuthorType(StrEnum):
    """Who speaks."""

    REQUESTER = "requester"
    AGENT = "agent"
    AUTOMATION = "automation"
    SYSTEM = "system"


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who speaks: requesters and agents by id, automations and systems without."""

    type: AuthorType
    id: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewMessage:
    """What a caller wants said. `author` is None where it follows from who calls."""

    direction: Direction
    channel: str
    body: str
    author: Author | None = None
    counts_as_response: bool | None = None
    awaits_customer: bool = False
    ack_only: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message. `position` counts from 1 within its ticket, in the order of commits."""

    id: UUID
    ticket_id: UUID
    position: int
    requester_id: UUID
    direction: Direction
    author_type: AuthorType
    author_id: UUID | None
    channel: str
    body: str
    counts_as_response: bool
    awaits_customer: bool
    ack_only: bool
    created_at: datetime

    def told(self) -> MessageAdded:
        """What the world learns of it: not its text."""
        return MessageAdded(
            ticket_id=self.ticket_id,
            message_id=self.id,
            direction=self.direction,
            author_type=self.author_type,
            channel=self.channel,
            counts_as_response=self.counts_as_response,
            awaits_customer=self.awaits_customer,
            ack_only=self.ack_only,
            author_id=self.author_id,
        )


def author_of(wanted: NewMessage, *, requester_id: UUID, agent_id: UUID | None) -> Author:
    """Who speaks.

    Args:
        requester_id: the ticket's requester.
        agent_id: the agent for whom the call is made, None where a client calls for itself.
    Raises:
        InvalidInput: that author cannot send a message in that direction, or another agent is named than acts.
    """
    if wanted.direction is Direction.INBOUND:
        return _requester(wanted.author, requester_id)
    named = wanted.author or Author(type=AuthorType.AGENT if agent_id else AuthorType.AUTOMATION, id=agent_id)
    if named.type is AuthorType.REQUESTER:
        raise _wrong("/author/type", "a requester's message is inbound")
    if named.type is AuthorType.AGENT:
        return _agent(named, agent_id)
    if named.id is not None:
        raise _wrong("/author/id", "only a requester or an agent has an id")
    return named


def check_flags(wanted: NewMessage, author: Author) -> None:
    """Refuse flags that mean nothing for this kind of message.

    Raises:
        InvalidInput: with a pointer to each.
    """
    faults: list[tuple[str, str]] = []
    public_agent = wanted.direction is Direction.OUTBOUND and author.type is AuthorType.AGENT
    if wanted.ack_only and wanted.direction is not Direction.INBOUND:
        faults.append(("/ack_only", "only an inbound message can be an acknowledgement"))
    if wanted.awaits_customer and not public_agent:
        faults.append(("/awaits_customer", "only a public message by an agent can ask the requester"))
    if wanted.counts_as_response and wanted.direction is not Direction.OUTBOUND:
        faults.append(("/counts_as_response", "only an outbound message can be a response"))
    if faults:
        raise InvalidInput("the flags do not fit the message", pointers=faults)


def counts_as_response(wanted: NewMessage, author: Author) -> bool:
    """As the caller says; unsaid, an agent's public message counts and nothing else does."""
    if wanted.counts_as_response is not None:
        return wanted.counts_as_response
    return wanted.direction is Direction.OUTBOUND and author.type is AuthorType.AGENT


def _requester(named: Author | None, requester_id: UUID) -> Author:
    if named is not None and named.type is not AuthorType.REQUESTER:
        raise _wrong("/author/type", "an inbound message is the requester's")
    if named is not None and named.id not in (None, requester_id):
        raise _wrong("/author/id", "is not the ticket's requester")
    return Author(type=AuthorType.REQUESTER, id=requester_id)


def _agent(named: Author, agent_id: UUID | None) -> Author:
    speaker = named.id or agent_id
    if speaker is None:
        raise _wrong("/author/id", "is required for an agent")
    if agent_id is not None and speaker != agent_id:
        raise _wrong("/author/id", "is not the agent that Support-Actor names")
    return Author(type=AuthorType.AGENT, id=speaker)


def _wrong(pointer: str, fault: str) -> InvalidInput:
    return InvalidInput("the author does not fit the message", pointers=[(pointer, fault)])
