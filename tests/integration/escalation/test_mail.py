"""Notifications leave by real SMTP."""

from datetime import timedelta

import pytest

from escalation.notifications.domain import Channel
from tests.integration.escalation.conftest import Escalation
from tests.integration.escalation.notifying import attempted, mailbox, notifying, say, wanted


async def test_mail_arrives_with_a_message_id_of_its_own(escalation: Escalation) -> None:
    async with mailbox() as box, notifying(escalation, mail=box.mail()):
        ticket_id = await say(escalation, wanted(Channel.EMAIL, "lead@example.com", target="email"))
        item = await attempted(escalation, ticket_id, 1)
    [mail] = box.received
    assert (mail["To"], mail["Subject"]) == ("lead@example.com", "FL-7: the time for the resolution is over")
    assert mail["Message-ID"] == f"<{item['notification_id']}@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "the time for the resolution is over" in str(mail.get_payload())
    [told] = await escalation.bodies(ticket_id, "notification")
    assert (told.channel, told.target) == ("email", "email")


async def test_mail_that_is_put_off_comes_later_and_a_refused_one_never(escalation: Escalation) -> None:
    async with mailbox() as box, notifying(escalation, mail=box.mail()):
        box.answers = ["451 4.7.1 greylisted"]
        ticket_id = await say(escalation, wanted(Channel.EMAIL, "lead@example.com"))
        item = await attempted(escalation, ticket_id, 1)
        assert (item["state"], item["attempts"][0]["fault"]) == ("pending", "451 4.7.1")
        escalation.clock.move(timedelta(seconds=5))
        assert (await attempted(escalation, ticket_id, 2))["state"] == "sent"
        box.answers = ["550 no such user"]
        refused = await attempted(escalation, await say(escalation, wanted(Channel.EMAIL, "nobody@example.com")), 1)
        assert (refused["state"], refused["attempts"][0]["fault"]) == ("failed", "550")
    assert len(box.received) == 1


async def test_what_a_server_says_of_an_address_goes_nowhere(
    escalation: Escalation, caplog: pytest.LogCaptureFixture
) -> None:
    """Only its codes do: servers repeat the address, and events and answers tell of addresses to nobody."""
    async with mailbox() as box, notifying(escalation, mail=box.mail()):
        box.answers = ["550 5.1.1 <lead@example.com>: Recipient address rejected"]
        ticket_id = await say(escalation, wanted(Channel.EMAIL, "lead@example.com", target="email"))
        item = await attempted(escalation, ticket_id, 1)
    assert item["attempts"][0]["fault"] == "550 5.1.1"
    [told] = await escalation.bodies(ticket_id, "notification.failed")
    assert told.reason == "550 5.1.1"
    assert "lead@example.com" not in f"{item} {[vars(each) for each in caplog.records]}"


@pytest.mark.parametrize("address", ["lead@[", "lead@[1", "lead@example.com\u2028cc", "ü@example..com"])
async def test_an_odd_mail_address_is_refused_and_its_siblings_mail_arrives(
    escalation: Escalation, address: str
) -> None:
    async with mailbox() as box, notifying(escalation, mail=box.mail()):
        odd, sibling = wanted(Channel.EMAIL, address), wanted(Channel.EMAIL, "lead@example.com")
        await say(escalation, odd, sibling)
        assert (await attempted(escalation, odd.ticket_id, 1))["attempts"][0]["fault"] != ""
        assert (await attempted(escalation, sibling.ticket_id, 1))["state"] == "sent"
    assert len(box.received) == 1
