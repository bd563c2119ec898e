"""Webhooks: the order of each subject, with two senders at work and posts that fail."""

from typing import Any

from sqlalchemy import text

from common.transaction import Origin
from tests.integration.intake.conftest import Intake
from tests.integration.intake.test_webhooks import body_of
from tests.integration.intake.webhooks import create, feed, log, sending
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.serving import serving

_NO_WAITING = text("update webhook_line set due_at = :now where lease_until is null and due_at > :now")


async def test_two_senders_keep_the_order_of_each_subject_under_failures(intake: Intake) -> None:
    """Every third post fails; each subject's events come in order, every one is taken, and none twice."""

    class Flaky(Peer):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.answers.insert(0, (500, {}, b"") if len(self.seen) % 3 == 2 else (204, {}, b""))
            await super().__call__(scope, receive, send)

    receiver = Flaky()
    async with serving(receiver) as url:
        hook = await create(intake, url)
        tickets = [await intake.open(ref=str(number)) for number in range(6)]
        for tag in ("a", "b", "c", "d"):
            for ticket in tickets:
                await intake.http.put(f"/v1/tickets/{ticket['id']}/tags/{tag}")
        await feed(intake)
        count = len(await log(intake, hook))
        async with sending(intake), sending(intake):

            async def done() -> bool:
                # The clock stays: a sender that sees it leap between claim and post leaves the line to its lease.
                async with intake.database.begin(Origin(actor="service:intake")) as tx:
                    await tx.connection.execute(_NO_WAITING, {"now": intake.clock.now()})
                return {each["state"] for each in await log(intake, hook)} == {"delivered"}

            await eventually(done, within=60)
    assert count == 6 * 6 + 1
    for ticket in tickets:
        seqs = [body_of(seen)["subjectseq"] for seen in receiver.seen if ticket["id"] in body_of(seen)["subject"]]
        assert seqs == sorted(seqs)
        assert set(seqs) == {1, 2, 3, 4, 5, 6}
    assert len(receiver.seen) > count
