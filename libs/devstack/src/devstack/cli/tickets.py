"""`frontline ticket open|show|list|reply|resolve`: an agent's and a requester's side of a ticket."""

from typing import Annotated
from uuid import UUID

import typer

from common.errors import InvalidInput, NotFound
from devstack.cli.console import note, say, say_fields, say_json, say_table
from devstack.cli.place import ActingFor, Json, Service, find_installation
from devstack.client import Client, JsonObject

tickets = typer.Typer(no_args_is_help=True, help="Open, read and work on tickets.")
Ticket = Annotated[str, typer.Argument(help="Its id, number or reference (FL-12).")]
_SHOWN = (
    ("reference", "reference"), ("id", "id"), ("subject", "subject"), ("status", "status"), ("priority", "priority"),
    ("tier required", "tier_required"), ("routing", "routing_state"), ("owner", "owner_id"), ("tier", "owner_tier"),
    ("queue", "queue_id"), ("tags", "tags"), ("on hold for", "hold_reason"), ("resolution", "resolution_code"),
    ("opened", "created_at"), ("changed", "updated_at"), ("resolved", "resolved_at"), ("version", "version"),
)  # fmt: skip


@tickets.command("open")
def open_ticket(
    subject: Annotated[str, typer.Argument(help="What it is about, in one line.")],
    email: Annotated[str, typer.Option(help="The requester's address.")] = "someone@example.com",
    description: Annotated[str, typer.Option(help="The first message.")] = "",
    impact: Annotated[int, typer.Option(min=1, max=4, help="1 is the most.")] = 3,
    urgency: Annotated[int, typer.Option(min=1, max=4, help="1 is the most.")] = 3,
    category: Annotated[str, typer.Option(help="What desks match on.")] = "",
    skill: Annotated[list[str] | None, typer.Option(help="NAME or NAME:LEVEL, repeatable.")] = None,
    tier: Annotated[int, typer.Option(min=1, max=3, help="The least tier that may have it.")] = 1,
    key: Annotated[str, typer.Option("--key", help="Idempotency key, so that a repeat opens nothing new.")] = "",
    as_json: Json = False,
) -> None:
    """Open a ticket."""
    body: dict[str, object] = {
        "subject": subject,
        "description": description,
        "requester": {"email": email},
        "source": {"channel": "cli"},
        "impact": impact,
        "urgency": urgency,
        "category": category,
        "skills_hint": [_skill(text) for text in skill or ()],
        "tier_required": tier,
    }
    _say_ticket(_intake().send("POST", "/v1/tickets", body, idempotency_key=key), as_json=as_json)


@tickets.command()
def show(
    ticket: Ticket,
    messages: Annotated[bool, typer.Option("--messages", help="Also what was said.")] = False,
    as_json: Json = False,
) -> None:
    """Show a ticket with its owner."""
    intake = _intake()
    found = _find(intake, ticket)
    said: list[JsonObject] = intake.get(f"/v1/tickets/{found['id']}/messages")["items"] if messages else []
    if as_json:
        say_json(found | ({"messages": said} if messages else {}))
        return
    _say_ticket(found, as_json=False)
    for message in said:
        say(f"\n{message['created_at']} {message['direction']} by {message['author_type']}\n{message['body']}")


@tickets.command("list")
def list_tickets(
    status: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    owner: Annotated[list[str] | None, typer.Option(help="An agent's id, repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Repeatable: all are needed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: Json = False,
) -> None:
    """List the newest tickets."""
    filters: dict[str, str | int | list[str]] = {"limit": limit}
    filters |= {name: given for name, given in (("status", status), ("assignee", owner), ("tag", tag)) if given}
    items = _intake().get("/v1/tickets", filters)["items"]
    if as_json:
        say_json(items)
        return
    columns = ("reference", "status", "priority", "routing", "owner", "tier", "subject")
    fields = ("reference", "status", "priority", "routing_state", "owner_id", "owner_tier", "subject")
    say_table(columns, [[item[name] for name in fields] for item in items], empty="no tickets")


@tickets.command()
def reply(
    ticket: Ticket,
    text: Annotated[str, typer.Argument(help="What is said.")],
    internal: Annotated[bool, typer.Option("--internal", help="For the team only.")] = False,
    inbound: Annotated[bool, typer.Option("--inbound", help="As the requester.")] = False,
    asks: Annotated[bool, typer.Option("--asks", help="The ticket then waits for the customer.")] = False,
    acting_for: ActingFor = "",
) -> None:
    """Add a message; by default one to the requester."""
    if internal and inbound:
        raise InvalidInput("a message is internal or inbound, not both")
    direction = "internal" if internal else "inbound" if inbound else "outbound"
    intake = _intake(acting_for)
    found = _find(intake, ticket)
    body: dict[str, object] = {"direction": direction, "body": text, "awaits_customer": asks}
    message = intake.send("POST", f"/v1/tickets/{found['id']}/messages", body)
    note(f"message {message['position']} added to {found['reference']}")


@tickets.command()
def resolve(
    ticket: Ticket,
    summary: Annotated[str, typer.Argument(help="What was done.")],
    code: Annotated[str, typer.Option(help="How it was solved.")] = "fixed",
    skip_reason: Annotated[str, typer.Option(help="Why no solution was evaluated.")] = "resolved from the command line",
    acting_for: ActingFor = "",
    as_json: Json = False,
) -> None:
    """Mark a ticket as solved."""
    intake = _intake(acting_for)
    found = _find(intake, ticket)
    body = {"resolution_code": code, "resolution_summary": summary, "skip_reason": skip_reason}
    solved = intake.send("POST", f"/v1/tickets/{found['id']}/resolve", body, version=int(found["version"]))
    _say_ticket(solved, as_json=as_json)


def find_ticket_id(ticket: str) -> str:
    """The id of the ticket that an id, a number or a reference names.

    Raises:
        NotFound: there is none.
    """
    return str(_find(_intake(), ticket)["id"])


def _find(intake: Client, ticket: str) -> JsonObject:
    number = ticket.upper().removeprefix("FL-")
    if number.isdecimal():
        items = intake.get("/v1/tickets", {"number": number})["items"]
        if not items:
            raise NotFound(f"there is no ticket {ticket}")
        return items[0]
    try:
        return intake.get(f"/v1/tickets/{UUID(ticket)}")
    except ValueError as wrong:
        raise InvalidInput(f"{ticket} is no ticket's id, number or reference") from wrong


def _intake(acting_for: str = "") -> Client:
    return find_installation().client(Service.INTAKE, acting_for=acting_for)


def _skill(text: str) -> dict[str, object]:
    name, _, level = text.partition(":")
    if level and not level.isdecimal():
        raise InvalidInput(f"{text} is not NAME or NAME:LEVEL")
    return {"skill": name, "level": int(level or 1)}


def _say_ticket(ticket: JsonObject, *, as_json: bool) -> None:
    if as_json:
        say_json(ticket)
    else:
        say_fields({title: ticket[name] for title, name in _SHOWN})
