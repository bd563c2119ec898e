"""What callers send and get about messages."""

from datetime import datetime
from uuid import UUID

from pydantic import Field, StrictBool

from common.web import CommandModel, ResponseModel
from intake.messages.domain import Author, AuthorType, Direction, Message, NewMessage


class AuthorBody(CommandModel):
    """Who speaks, where it does not follow from who calls. An agent needs the scope `act-as`."""

    type: AuthorType
    id: UUID | None = None


class AddMessageBody(CommandModel):
    """A message.

    Unsaid, an inbound one is by the ticket's requester, any other by the agent who acts, else by an automation. An
    agent's outbound message counts as a response unless said otherwise; any other one only if said so.
    """

    direction: Direction
    body: str = Field(min_length=1, max_length=20_000)
    channel: str = Field(default="", max_length=50, description="the ticket's own, unless given")
    author: AuthorBody | None = None
    counts_as_response: StrictBool | None = None
    awaits_customer: StrictBool = Field(default=False, description="the agent asks, and the ticket waits")
    ack_only: StrictBool = Field(default=False, description="mere thanks: it opens and reopens nothing")

    def wanted(self) -> NewMessage:
        """What the use case takes."""
        return NewMessage(
            direction=self.direction,
            channel=self.channel,
            body=self.body,
            author=Author(type=self.author.type, id=self.author.id) if self.author else None,
            counts_as_response=self.counts_as_response,
            awaits_customer=self.awaits_customer,
            ack_only=self.ack_only,
        )


class MessageShown(ResponseModel):
    """A message. `position` counts from 1 within its ticket."""

    id: UUID
    ticket_id: UUID
    position: int
    direction: Direction
    author_type: AuthorType
    author_id: UUID | None
    channel: str
    body: str
    counts_as_response: bool
    awaits_customer: bool
    ack_only: bool
    created_at: datetime


class MessagesShown(ResponseModel):
    """Messages in order; `last_position` is the `after` of the next call."""

    items: list[MessageShown]
    last_position: int


def show(message: Message) -> MessageShown:
    """The message as callers see it."""
    return MessageShown(
        id=message.id,
        ticket_id=message.ticket_id,
        position=message.position,
        direction=message.direction,
        author_type=message.author_type,
        author_id=message.author_id,
        channel=message.channel,
        body=message.body,
        counts_as_response=message.counts_as_response,
        awaits_customer=message.awaits_customer,
        ack_only=message.ack_only,
        created_at=message.created_at,
    )
