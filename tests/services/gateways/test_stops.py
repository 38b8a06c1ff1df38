"""An account that its provider refuses as a whole is stopped with the reason, and no message is spent on it."""

import pytest

from events.message import Rejected, Withheld
from libs.testkit.nouns import TENANT
from services.gateways import stops
from tests.libs.kit.effects_world import until
from tests.services.gateways.conftest import Gateways, bundle_of

HOURS = "policy: {timezone: Asia/Kolkata, hours: {whatsapp: {from: '07:00', to: '21:00'}}}\n"


async def killed(gateways: Gateways) -> str | None:
    reason: str | None = await gateways.store.pool.fetchval(
        "SELECT killed FROM gateways.account WHERE account = 'whatsapp'"
    )
    return reason


@pytest.mark.parametrize("code", [190, 368, 131031, 131048])
async def test_what_is_said_to_the_account_stops_it(gateways: Gateways, code: int):
    await gateways.goes_wrong(refuse=code)
    first = await gateways.say()
    await gateways.until(first, "rejected")
    rejected = (await gateways.told(first))[0].event
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.scope) == (str(code), "account")
    assert (await killed(gateways) or "").startswith(f"{code}: ")
    second = await gateways.say()
    await gateways.until(second, "withheld")
    withheld = (await gateways.told(second))[0].event
    assert isinstance(withheld, Withheld)
    assert withheld.reason.startswith(f"{code}: ")
    assert await gateways.sent() == []


async def test_a_failure_that_comes_later_stops_it_too(gateways: Gateways):
    await gateways.goes_wrong(fails=131042)
    await gateways.until(await gateways.say(), "failed")

    async def stopped() -> bool:
        return (await killed(gateways) or "").startswith("131042: a payment problem")

    await until(stopped)
    await gateways.until(await gateways.say(), "withheld")


async def test_another_bundle_lifts_the_stop(gateways: Gateways):
    await gateways.goes_wrong(refuse=190)
    await gateways.until(await gateways.say(), "rejected")
    await gateways.publish(bundle_of(policy=HOURS))

    async def lifted() -> bool:
        return await killed(gateways) is None

    await until(lifted)
    assert (await gateways.until(await gateways.say(), "accepted"))[0] == "accepted"


async def test_a_stop_ends_by_itself_and_one_message_tries(gateways: Gateways):
    pool = gateways.store.pool
    bundle = bundle_of().hash

    async def configured() -> bool:  # a stop is always of an account that has sent
        known: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM gateways.account WHERE account = 'whatsapp')")
        return known

    await until(configured)
    await stops.stop(pool, TENANT, "whatsapp", "190: the access token has expired", bundle)
    assert await stops.reason_of(pool, TENANT, "whatsapp", bundle) == "190: the access token has expired"
    assert await pool.fetchval("SELECT failures FROM gateways.account WHERE account = 'whatsapp'") == 5
    await pool.execute("UPDATE gateways.stopped SET until = now()")
    assert await stops.reason_of(pool, TENANT, "whatsapp", bundle) is None
    assert await pool.fetchval("SELECT count(*) FROM gateways.stopped") == 0


@pytest.mark.parametrize("code", [131026, 132000, 130497])
async def test_what_is_said_to_a_message_or_contact_stops_nothing(gateways: Gateways, code: int):
    await gateways.goes_wrong(refuse=code)
    await gateways.until(await gateways.say(), "rejected")
    assert await killed(gateways) is None
    assert (await gateways.until(await gateways.say(), "accepted"))[0] == "accepted"
