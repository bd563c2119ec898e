"""`frontline demo`: a support floor that plays against a running installation."""

import asyncio
import time
from typing import Annotated

import typer
from rich.live import Live
from rich.table import Table

from common.errors import Misconfigured
from common.ids import new_id
from devstack.cli.console import ERR, note, say, say_table
from devstack.cli.place import Service, find_installation
from devstack.client import JsonObject
from devstack.demo.floor import close_floor, open_floor
from devstack.demo.people import House, Person, find_house
from devstack.demo.play import Play
from devstack.demo.story import write_story
from devstack.demo.tally import COUNTS, Tally

_FIGURES = (
    "first_response_time", "time_to_own", "resolution_time", "resolution_rate", "reopen_rate", "sla_attainment", "csat",
    "answer_rate", "handoff_bounce_rate",
)  # fmt: skip


def demo(
    tickets: Annotated[int, typer.Option(min=1, max=100_000, help="How many customers come.")] = 50,
    seed: Annotated[int, typer.Option(help="The same seed plays the same stories.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Customers a second.")] = 5.0,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=500, help="Stories in play at most.")] = 40,
    among_others: Annotated[
        bool, typer.Option("--among-others", help="Play although other tickets wait where the floor's agents serve.")
    ] = False,
) -> None:
    """Let customers, agents of three tiers and seniors play tickets from the first word to the rating.

    Everything goes through the public APIs of the installation (FRONTLINE_CLI_*_URL and _KEY, else the local stack).
    The floor brings its own agents, desk and survey policy, all named Demo. A desk that names no teams is served by its
    agents, too: where tickets wait at one, it does not open without --among-others, and what they are given of others'
    tickets goes back to its desk at the end. Exit code 1: a story did not go as written.
    """
    installation = find_installation()
    for service in Service:
        if not installation.urls.get(service.value):
            name = f"FRONTLINE_CLI_{service.name}_URL"
            raise Misconfigured(f"no local stack is known and {name} is not set: start one with frontline up")
    if not installation.key:
        raise Misconfigured("no API key: set FRONTLINE_CLI_KEY")
    tally = Tally(wanted=tickets)
    house = find_house(installation.urls, installation.key)
    if not asyncio.run(_run(house, tally, seed=seed, rate=rate, at_once=at_once, among_others=among_others)):
        raise typer.Exit(1)


async def _run(house: House, tally: Tally, *, seed: int, rate: float, at_once: int, among_others: bool) -> bool:
    began = time.monotonic()
    try:
        agents = await open_floor(house, among_others=among_others)
        stories = [write_story(seed, number, rate=rate) for number in range(1, tally.wanted + 1)]
        name = f"{seed}-{new_id().hex[:12]}"
        play = Play(house=house, agents=agents, stories=stories, run=name, at_once=at_once, tally=tally)
        try:
            with Live(console=ERR, refresh_per_second=4, get_renderable=lambda: _table(tally, began)):
                await play.perform()
        finally:
            await close_floor(house, agents, run=name)
        await _say_figures(house)
    finally:
        await house.close()
    for result in tally.troubles[:20]:
        note(f"story {result.number}, ticket {result.ticket_id or '-'}: {result.trouble or 'never owned'}")
    say(
        f"{tally.wanted} tickets, {sum(result.owned for result in tally.results)} owned, "
        f"{tally.counts['handoffs accepted']} handed over, {tally.counts['handoffs returned']} returned, "
        f"{tally.counts['surveys answered']} rated, {len(tally.troubles)} not as written, "
        f"in {time.monotonic() - began:.0f} s"
    )
    return not tally.troubles


async def _say_figures(house: House) -> None:
    reader = Person(house=house)
    figures = [await reader.get("feedback", f"/v1/kpis/{name}") for name in _FIGURES]
    rows = [(each["definition"], figure_in_words(each["total"]), each["title"]) for each in figures]
    say_table(("figure", "last 30 days", "what it counts"), rows, empty="there are no figures")


def figure_in_words(total: JsonObject) -> str:
    """A figure as people read it; what nothing counts for yet is a dash."""
    if total["count"]:
        return f"p50 {total['p50_s']:.2f} s, p90 {total['p90_s']:.2f} s of {total['count']:g}"
    return f"{total['rate']:.1%} of {total['denominator']:g}" if total["denominator"] else "-"


def _table(tally: Tally, began: float) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    ended = len(tally.results)
    lasted = f"{time.monotonic() - began:.0f} s"
    table.add_row(lasted, f"{ended} of {tally.wanted} stories ended, {tally.playing} in play")
    for name in COUNTS:
        table.add_row(str(tally.counts[name]), name)
    table.add_row(str(len(tally.troubles)), "not as written")
    return table
