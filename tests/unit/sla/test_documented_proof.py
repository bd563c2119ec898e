"""The proof that docs/clocks.md works through by hand is what the program prints."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from escalation.sla.proof import print_proof, prove
from tests.support.clocks import Story, book, created, inbound, moved, office, outbound, policy, prioritised

DOCUMENT = Path(__file__).parents[3] / "docs" / "clocks.md"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of March 2026, in UTC."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def documented() -> str:
    """The ticket of the document: two pauses and another priority, over a weekend on which summer time begins."""
    story = Story().tell(at(26, 14), created(priority="low"), inbound())
    story.tell(at(26, 15), outbound(asks=True), moved("pending_customer"))
    story.tell(at(27, 9), inbound(), moved("open"))
    story.tell(at(27, 11, 30), moved("on_hold", hold_reason="third_party"))
    story.tell(at(27, 15), moved("open"))
    story.tell(at(30, 7, 30), prioritised("normal"))
    vienna = office("Europe/Vienna", calendar_id=UUID(int=61), name="Vienna office", country="AT")
    rules = book(policy(policy_id=UUID(int=62), name="Standard", calendar_id=UUID(int=61)), hours=[vienna])
    [clock] = story.fold(rules)["resolution"]
    return print_proof(prove(clock, rules, at=at(30, 8)))


def test_the_document_shows_what_the_program_prints() -> None:
    """Line by line."""
    block = DOCUMENT.read_text().partition("<!-- proof -->\n```text\n")[2].partition("```")[0]
    assert block == documented()
