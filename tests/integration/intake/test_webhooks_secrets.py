"""The secrets of webhooks: what they sign, who is shown them, how they change, and the key that seals them."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from common.transaction import Origin
from intake.webhooks.keys import Sealer
from intake.webhooks.usecases import reseal
from tests.integration.intake.conftest import WEBHOOKS_KEY, Intake, key
from tests.integration.intake.test_webhooks import verify
from tests.integration.intake.webhooks import all_delivered, attempted, create, ping, sending, show
from tests.support.eventually import eventually
from tests.support.peers import Peer, Seen
from tests.support.serving import serving

NEW_KEY = base64.urlsafe_b64encode(b"another key of the tests, 32 b..").decode()


async def test_the_reference_library_takes_every_kind_of_post_and_nothing_else(intake: Intake) -> None:
    """By its own clock. With two secrets and a key pair that sign, and posted again."""
    receiver = Peer(answers=[(500, {}, b"")])
    intake.clock.move(datetime.now(UTC) - intake.clock.now())
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url, asymmetric=True)
        fresh = (await intake.http.post(f"/v1/webhooks/{hook['id']}/rotate", json={})).json()["secret"]
        await ping(intake, hook)
        failed = await attempted(intake, hook, 1)
        intake.clock.move(timedelta(seconds=6))
        await all_delivered(intake, hook, 1)
        await intake.http.post(f"/v1/webhooks/{hook['id']}/deliveries/{failed['event_id']}/redeliver")
        await eventually(lambda: came(receiver, 3))
    for seen in receiver.seen:
        schemes = [each.partition(",")[0] for each in seen.headers["webhook-signature"].split(" ")]
        assert sorted(schemes) == ["v1", "v1", "v1a", "v1a"]
        for secret in (hook["secret"], fresh):
            told = Webhook(secret).verify(seen.body, seen.headers)
            assert (told["type"], told["data"]) == ("support.webhook.ping.v1", {"endpoint_id": hook["id"]})
            assert told["id"] == seen.headers["webhook-id"] == failed["event_id"]
    stamps = [int(seen.headers["webhook-timestamp"]) for seen in receiver.seen]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 6, 6], "the time is the attempt's, not the event's"
    for body, changed in (
        (seen.body + b" ", {}),
        (seen.body.replace(b"ping", b"pong"), {}),
        (seen.body, {"webhook-id": hook["id"]}),
        (seen.body, {"webhook-timestamp": str(stamps[-1] + 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(fresh).verify(body, seen.headers | changed)


async def came(receiver: Peer, count: int) -> bool:
    """Whether so many posts came."""
    return len(receiver.seen) == count


async def test_an_asymmetric_signature_is_checked_by_the_public_key(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url, asymmetric=True)
        await intake.http.post(f"/v1/webhooks/{hook['id']}/test")
        await all_delivered(intake, hook, 1)
    [seen] = receiver.seen
    verify(hook["secret"], seen)
    assert [key["scheme"] for key in hook["keys"]] == ["v1", "v1a"]
    check_asymmetric(hook["keys"][1]["public_key"], seen)


def check_asymmetric(public_key: str, seen: Seen) -> None:
    """Raises InvalidSignature unless one of the post's signatures is that key's."""
    signed = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}.".encode() + seen.body
    [given] = [each for each in seen.headers["webhook-signature"].split(" ") if each.startswith("v1a,")]
    known = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    known.verify(base64.b64decode(given.removeprefix("v1a,")), signed)


async def test_after_a_rotation_both_secrets_sign_until_the_overlap_is_over(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        rotated = await intake.http.post(f"/v1/webhooks/{hook['id']}/rotate", json={"overlap_s": 3600})
        fresh = rotated.json()["secret"]
        assert rotated.status_code == 200
        assert fresh != hook["secret"]
        await intake.http.post(f"/v1/webhooks/{hook['id']}/test")
        await all_delivered(intake, hook, 1)
        intake.clock.move(timedelta(seconds=3601))
        await intake.http.post(f"/v1/webhooks/{hook['id']}/test")
        await all_delivered(intake, hook, 2)
    both, later = receiver.seen
    assert verify(fresh, both) == verify(hook["secret"], both)
    verify(fresh, later)
    with pytest.raises(AssertionError):
        verify(hook["secret"], later)


async def test_secrets_that_overlap_have_a_limit_and_a_leaked_one_goes_at_once(intake: Intake) -> None:
    hook = await create(intake, "https://hooks.example.com/", asymmetric=True)
    path = f"/v1/webhooks/{hook['id']}/rotate"
    codes = [(await intake.http.post(path, json={})).status_code for _ in range(3)]
    assert codes == [200, 200, 409]
    leaked = await intake.http.post(path, json={"overlap_s": 0})
    assert [each["scheme"] for each in leaked.json()["keys"]] == ["v1", "v1a"]
    assert leaked.json()["keys"][1]["public_key"] not in (hook["keys"][1]["public_key"], "")


async def test_a_secret_is_shown_once_and_kept_nowhere_in_clear(intake: Intake) -> None:
    named = {"idempotency-key": key()}
    body = {"url": "https://hooks.example.com/", "asymmetric": True}
    made = await intake.http.post("/v1/webhooks", json=body, headers=named)
    again = await intake.http.post("/v1/webhooks", json=body, headers=named)
    assert (made.status_code, again.status_code, again.json()["id"]) == (201, 201, made.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    assert made.headers["cache-control"] == "no-store"
    assert len(base64.b64decode(made.json()["secret"].removeprefix("whsec_"))) == 32
    assert again.json()["secret"] is None
    assert "secret" not in await show(intake, made.json())
    secret = made.json()["secret"].removeprefix("whsec_").encode()
    async with intake.database.read() as connection:
        kept = (await connection.execute(text("select sealed from webhook_key"))).scalars().all()
        answers = (await connection.execute(text("select body from idempotency_key"))).scalars().all()
    assert len(kept) == 2
    assert not any(secret in each or base64.b64decode(secret) in each for each in (*kept, *answers))


async def reseal_under(intake: Intake, keys: str) -> None:
    """What the timer does in a process with these keys."""
    async with intake.database.begin(Origin(actor="service:intake")) as tx:
        await reseal(tx, sealer=Sealer(keys))


async def test_secrets_follow_the_key_that_seals_and_the_former_one_can_go(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url:
        hook = await create(intake, url, asymmetric=True)
        both = f"{NEW_KEY},{WEBHOOKS_KEY}"
        await reseal_under(intake, both)
        sealed = await kept(intake)
        await reseal_under(intake, both)
        assert await kept(intake) == sealed, "what stands under the first key already is left alone"
        async with sending(intake, keys=NEW_KEY):
            await ping(intake, hook)
            await all_delivered(intake, hook, 1)
    [seen] = receiver.seen
    verify(hook["secret"], seen)
    check_asymmetric(hook["keys"][1]["public_key"], seen)


async def kept(intake: Intake) -> list[bytes]:
    """Every secret as it is kept."""
    async with intake.database.read() as connection:
        return list((await connection.execute(text("select sealed from webhook_key order by key_id"))).scalars())


async def test_a_secret_that_no_key_opens_holds_up_no_other(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url:
        lost, hook = await create(intake, url), await create(intake, url)
        async with intake.database.begin(Origin(actor="service:intake")) as tx:
            await tx.connection.execute(
                text("update webhook_key set sealed = :sealed where endpoint_id = :id"),
                {"sealed": Fernet(Fernet.generate_key()).encrypt(b"lost"), "id": lost["id"]},
            )
        await reseal_under(intake, f"{NEW_KEY},{WEBHOOKS_KEY}")
        async with sending(intake, keys=NEW_KEY):
            for each in (lost, hook):
                await ping(intake, each)
            await all_delivered(intake, hook, 1)
    assert len(receiver.seen) == 1
    assert (await show(intake, lost))["failing_since"] is None, "what is wrong with us is no failure of the receiver"


async def test_two_rotations_at_once_leave_three_secrets_that_sign(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        path = f"/v1/webhooks/{hook['id']}/rotate"
        made = await asyncio.gather(*(intake.http.post(path, json={}) for _ in range(2)))
        assert [answer.status_code for answer in made] == [200, 200]
        assert {answer.json()["version"] for answer in made} == {2, 3}
        await ping(intake, hook)
        await all_delivered(intake, hook, 1)
    [seen] = receiver.seen
    for secret in (hook["secret"], *(answer.json()["secret"] for answer in made)):
        verify(secret, seen)
    assert len(seen.headers["webhook-signature"].split(" ")) == 3
