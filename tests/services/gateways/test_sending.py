"""A message goes out once, whatever Meta and the network do, and what becomes of it is told once."""

from datetime import timedelta
from typing import Any

import pytest

from events.conversation import GateClosed
from events.message import Accepted, Failed, Rejected, Withheld
from events.refs import ref_of
from events.values import Cost
from libs.testkit.nouns import PRIYA
from tests.libs.kit.effects_world import until
from tests.services.gateways.conftest import HASTY, Gateways, bundle_of


async def test_a_template_goes_out_and_its_way_is_told(gateways: Gateways):
    intent = await gateways.say()
    assert await gateways.until(intent, "read") == ["accepted", "delivered", "read"]
    [message] = await gateways.sent()
    assert message["template"] == "payment_reminder_v1"
    assert message["reference"] == str(intent.id)
    accepted = (await gateways.told(intent))[0].event
    assert accepted == Accepted(
        conversation="1",
        channel="whatsapp",
        provider_ref=ref_of(message["id"]),
        cost=Cost(currency="INR", micros=115_000),
        provider_id=message["id"],
    )


async def test_free_text_goes_out_inside_the_window(gateways: Gateways):
    await gateways.priya_says("Namaste")
    intent = await gateways.say("On which date will you pay?")
    await gateways.until(intent, "read")
    [message] = await gateways.sent()
    assert message["text"] == "On which date will you pay?"


async def test_a_message_that_meta_fails_afterwards_is_told_as_failed(gateways: Gateways):
    intent = await gateways.say("Outside the window nobody may say this")
    assert await gateways.until(intent, "failed") == ["accepted", "failed"]
    failed = (await gateways.told(intent))[1].event
    assert isinstance(failed, Failed)
    assert failed.code == "131047"


async def test_a_rate_limit_is_waited_for(gateways: Gateways):
    await gateways.goes_wrong(refuse=130429)
    intent = await gateways.say()
    assert await gateways.until(intent, "read") == ["accepted", "delivered", "read"]
    assert len(await gateways.sent()) == 1
    assert (await gateways.effect(intent))["attempt"] == 2


async def test_a_refusal_is_told_with_its_scope(gateways: Gateways):
    await gateways.goes_wrong(refuse=131030)
    intent = await gateways.say()
    await gateways.until(intent, "rejected")
    [rejected] = [fact.event for fact in await gateways.told(intent)]
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.scope) == ("131030", "contact")
    assert await gateways.sent() == []


async def test_an_address_that_is_none_is_refused_without_a_call(gateways: Gateways):
    intent = await gateways.say(to="nobody")
    assert await gateways.until(intent, "rejected") == ["rejected"]


@pytest.mark.parametrize("patience", [HASTY])
@pytest.mark.parametrize("answer", ["hung", "dropped", "garbled"])
async def test_an_answer_that_is_lost_after_the_send_is_unknown_until_the_webhook(gateways: Gateways, answer: str):
    await gateways.goes_wrong(answer=answer, commits=True)
    intent = await gateways.say()
    told = await gateways.until(intent, "read")
    assert told == ["outcome_unknown", "accepted", "delivered", "read"]
    [message] = await gateways.sent()
    accepted = (await gateways.told(intent))[1].event
    assert isinstance(accepted, Accepted)
    assert accepted.provider_ref == ref_of(message["id"])
    assert accepted.cost == Cost(currency="INR", micros=115_000)
    assert (await gateways.effect(intent))["outcome"] == "resolved"


@pytest.mark.parametrize("patience", [HASTY])
@pytest.mark.parametrize("fault", [{"answer": "hung", "commits": False}, {"refuse": 131000}])
async def test_an_answer_that_is_lost_before_the_send_stays_unknown_and_is_not_sent_again(
    gateways: Gateways, fault: dict[str, Any]
):
    await gateways.goes_wrong(**fault)
    intent = await gateways.say()
    assert await gateways.until(intent, "outcome_unknown") == ["outcome_unknown"]
    effect = await gateways.effect(intent)
    assert effect["state"] == "unknown"
    assert effect["waits_until"] - effect["lease_until"] > timedelta(minutes=9)
    next_one = await gateways.say()
    await gateways.until(next_one, "accepted")
    assert [message["reference"] for message in await gateways.sent()] == [str(next_one.id)]


async def test_a_status_before_the_answer_waits_for_it(gateways: Gateways):
    await gateways.goes_wrong(before_answer=True)
    intent = await gateways.say()
    assert await gateways.until(intent, "read") == ["accepted", "delivered", "read"]
    assert await gateways.store.pool.fetchval("SELECT count(*) FROM gateways.waiting_status") == 0


@pytest.mark.parametrize("order", ["forwards", "backwards"])
async def test_webhooks_delivered_three_times_and_out_of_order_are_told_once(gateways: Gateways, order: str):
    await gateways.goes_wrong(copies=3, order=order)
    intent = await gateways.say()
    await gateways.until(intent, "read")
    await gateways.inbound("status_received", 3)
    await gateways.quiet()
    told = await gateways.until(intent, "read")
    assert told == (["accepted", "delivered", "read"] if order == "forwards" else ["accepted", "read"])
    assert len(await gateways.inbound("status_received", 3)) == 3


async def test_a_stop_between_intent_and_send_withholds_it(gateways: Gateways):
    stop = GateClosed(scope=f"contact:{PRIYA}", reason="stop", lasting=True)
    intent = await gateways.say(gates=[f"contact:{PRIYA}"], then=[stop])
    assert await gateways.until(intent, "withheld") == ["withheld"]
    assert await gateways.sent() == []


async def test_a_channel_that_is_switched_off_lets_nothing_out(gateways: Gateways):
    await gateways.publish(bundle_of(settings="channels: {whatsapp: {enabled: false, provider: meta}}\n"))
    intent = await gateways.say()
    await gateways.until(intent, "withheld")
    [withheld] = [fact.event for fact in await gateways.told(intent)]
    assert isinstance(withheld, Withheld)
    assert "off" in withheld.reason


async def test_what_waited_past_its_hours_is_withheld(gateways: Gateways):
    await gateways.goes_wrong(refuse=131016)
    intent = await gateways.say()

    async def tried() -> bool:
        return bool((await gateways.effect(intent)).get("attempt"))

    await until(tried)
    await gateways.clock.advance(timedelta(hours=10))
    told = await gateways.until(intent, "withheld")
    assert told == ["withheld"]
    assert await gateways.sent() == []


async def test_messages_of_one_conversation_keep_their_order(gateways: Gateways):
    intents = [await gateways.say() for _ in range(6)]
    for intent in intents:
        await gateways.until(intent, "accepted")
    assert [message["reference"] for message in await gateways.sent()] == [str(intent.id) for intent in intents]
