"""`frontline agent list|presence|work`: the directory and who does what."""

from typing import Annotated
from uuid import UUID

import typer

from common.errors import InvalidInput, NotFound
from devstack.cli.console import note, say_json, say_table
from devstack.cli.place import Json, Service, find_installation
from devstack.client import Client, JsonObject

agents = typer.Typer(no_args_is_help=True, help="Agents, their presence and work.")
Agent = Annotated[str, typer.Argument(help="The agent's id, or a name or address that only one has.")]


@agents.command("list")
def list_agents(
    presence: Annotated[str, typer.Option(help="online, away, busy or offline.")] = "",
    team: Annotated[str, typer.Option()] = "",
    skill: Annotated[str, typer.Option()] = "",
    as_json: Json = False,
) -> None:
    """List the directory. Loads are in units of weight."""
    filters = {name: value for name, value in (("presence", presence), ("team", team), ("skill", skill)) if value}
    items = _routing().list_all("/v1/agents", filters)
    if as_json:
        say_json(items)
        return
    rows = [
        (
            item["agent_id"],
            item["name"],
            item["tier"],
            item["presence"],
            f"{item['load_quarters'] / 4:g} of {item['capacity_quarters'] / 4:g}",
            ", ".join(item["teams"]),
            ", ".join(f"{name}:{level}" for name, level in item["skills"].items()),
        )
        for item in items
    ]
    say_table(("id", "name", "tier", "presence", "load", "teams", "skills"), rows, empty="no agents")


@agents.command()
def presence(agent: Agent, word: Annotated[str, typer.Argument(help="online, away, busy or offline.")]) -> None:
    """Set an agent's presence."""
    routing = _routing()
    found = _find(routing, agent)
    routing.send("PUT", f"/v1/agents/{found['agent_id']}/presence", {"presence": word})
    note(f"{found['name']} is {word}")


@agents.command()
def work(agent: Agent, as_json: Json = False) -> None:
    """List the tickets that an agent owns, and the open offers."""
    routing = _routing()
    found = _find(routing, agent)
    owned = routing.list_all(f"/v1/agents/{found['agent_id']}/work")
    offers: list[JsonObject] = routing.get(f"/v1/agents/{found['agent_id']}/offers")["items"]
    if as_json:
        say_json({"work": owned, "offers": offers})
        return
    _say_rows(owned, empty=f"{found['name']} owns nothing")
    if offers:
        _say_rows(offers, empty="")


def _say_rows(items: list[JsonObject], *, empty: str) -> None:
    columns = list(items[0]) if items else []
    say_table(columns, [[item[name] for name in columns] for item in items], empty=empty)


def _find(routing: Client, agent: str) -> JsonObject:
    try:
        return routing.get(f"/v1/agents/{UUID(agent)}")
    except ValueError:
        pass  # no id, so it is a name or an address
    wanted = agent.casefold()
    found = [
        each
        for each in routing.list_all("/v1/agents")
        if wanted in (each["email"].casefold(), each["name"].casefold()) or wanted in each["name"].casefold().split()
    ]
    if not found:
        raise NotFound(f"there is no agent {agent}")
    if len(found) > 1:
        raise InvalidInput(f"{agent} may be {' or '.join(str(each['name']) for each in found)}: give the id")
    return found[0]


def _routing() -> Client:
    return find_installation().client(Service.ROUTING)
