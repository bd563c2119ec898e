"""The secrets of webhooks at rest and in use: they follow the key that seals, and survive two rotations at once."""

import asyncio
import base64

from cryptography.fernet import Fernet
from sqlalchemy import text

from common.transaction import Origin
from intake.webhooks.keys import Sealer
from intake.webhooks.usecases import reseal
from tests.integration.intake.conftest import WEBHOOKS_KEY, Intake
from tests.integration.intake.test_webhooks import check_asymmetric, verify
from tests.integration.intake.webhooks import all_delivered, create, ping, sending, show
from tests.support.peers import Peer
from tests.support.serving import serving

NEW_KEY = base64.urlsafe_b64encode(b"another key of the tests, 32 b..").decode()


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
