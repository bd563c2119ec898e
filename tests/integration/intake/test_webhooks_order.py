"""Webhooks: the order of each subject, with two senders at work and posts that fail."""

from datetime import timedelta
from typing import Any

from tests.integration.intake.conftest import Intake
from tests.integration.intake.test_webhooks import body_of
from tests.integration.intake.webhooks import create, feed, log, sending
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.serving import serving


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
        looks = 0
        async with sending(intake, lease=timedelta(seconds=4)), sending(intake, lease=timedelta(seconds=4)):

            async def done() -> bool:
                nonlocal looks
                looks += 1
                if looks % 40 == 0:
                    # Seldom: a sender that sees the clock leap between claim and post leaves the line to its lease.
                    intake.clock.move(timedelta(seconds=2_500))
                items = await log(intake, hook)
                return {each["state"] for each in items} == {"delivered"}

            await eventually(done, within=60)
    assert count == 6 * 6 + 1
    for ticket in tickets:
        seqs = [body_of(seen)["subjectseq"] for seen in receiver.seen if ticket["id"] in body_of(seen)["subject"]]
        assert seqs == sorted(seqs)
        assert set(seqs) == {1, 2, 3, 4, 5, 6}
    assert len(receiver.seen) > count
