"""Meta's ids of messages are in no row, find their message all the same, and are told to Meta only, until an erasure."""

from typing import Any

from events.base import Recorded
from events.conversation import MessageRequested
from events.refs import ref_of
from events.values import Body, PolicyDecision
from libs.kit import migrate
from libs.testkit.nouns import HER_PROMISE, NOON, PRIYA, PRIYA_PHONE, TENANT
from tests.services.gateways.conftest import Gateways
from tests.services.gateways.test_webhooks import post, sign, webhook

MIGRATION = (migrate.SQL / "migrations" / "0361_refs_of_whatsapp.pre.sql").read_text(encoding="utf-8")
TABLES = ("message", "heard", "waiting_status", "effect")


async def answers(gateways: Gateways, wamid: str) -> dict[str, Any]:
    """We answer a message of Priya's; what Meta sent."""
    decision = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=gateways.clock.now())
    [intent] = await gateways.happens(
        MessageRequested(
            message="",
            channel="whatsapp",
            to=PRIYA_PHONE,
            body=Body(text="Which of them?"),
            allowed_by=decision,
            purpose="answer",
            reply_to=ref_of(wamid),
        )
    )
    await gateways.until(intent, "read")
    return next(each for each in await gateways.sent() if each["reference"] == str(intent.id))


async def is_told(gateways: Gateways, wamid: str, state: str, reference: str | None = None) -> None:
    """Meta tells a state of one of our messages."""
    part = {"id": wamid, "status": state, "timestamp": str(int(NOON.timestamp())), "recipient_id": PRIYA_PHONE[1:]}
    told = part if reference is None else part | {"biz_opaque_callback_data": reference}
    raw = webhook({"statuses": [told]})
    answer = await post(gateways, raw, sign(raw))
    assert answer.status_code == 200


async def taken_silently(gateways: Gateways) -> tuple[Recorded[MessageRequested], str]:
    """A message of which Meta tells nothing by itself, with Meta's id."""
    await gateways.goes_wrong(silent=True)
    intent = await gateways.say()
    await gateways.until(intent, "accepted")
    [sent] = await gateways.sent()
    return intent, sent["id"]


async def test_an_answer_quotes_the_message_in_metas_own_words(gateways: Gateways):
    wamid = await gateways.priya_says(HER_PROMISE)
    await gateways.inbound("received")
    assert (await answers(gateways, wamid))["reply_to"] == wamid


async def test_what_was_erased_is_answered_without_its_quote(gateways: Gateways):
    wamid = await gateways.priya_says(HER_PROMISE)
    [heard] = await gateways.inbound("received")
    async with gateways.store.pool.acquire() as connection:
        await gateways.store.keyring.destroy(connection, TENANT, [heard.stream])
    assert (await answers(gateways, wamid))["reply_to"] is None


async def test_the_id_of_what_we_sent_goes_with_the_contacts_key(gateways: Gateways):
    intent, wamid = await taken_silently(gateways)
    [taken] = await gateways.told(intent)
    assert (taken.event.provider_ref, taken.event.provider_id) == (ref_of(wamid), wamid)
    async with gateways.store.pool.acquire() as connection:
        await gateways.store.keyring.destroy(connection, TENANT, [f"contact-{PRIYA}"])
    gateways.store.keyring.forget(TENANT)
    [taken] = await gateways.told(intent)
    assert (taken.event.provider_ref, taken.event.provider_id) == (ref_of(wamid), None)


async def test_a_status_without_our_id_finds_its_message_and_no_row_shows_metas(gateways: Gateways):
    intent, wamid = await taken_silently(gateways)
    for _ in range(3):
        await is_told(gateways, wamid, "delivered")
    await is_told(gateways, "wamid.nobody-knows", "read")
    assert await gateways.until(intent, "delivered") == ["accepted", "delivered"]
    await gateways.quiet()
    for table in TABLES:
        assert not await gateways.store.pool.fetchval(
            f"SELECT count(*) FROM gateways.{table} t WHERE t::text LIKE '%wamid.%'"
        )


async def test_a_message_from_before_is_found_by_our_id_and_once_its_row_is_converted_by_metas(gateways: Gateways):
    intent, wamid = await taken_silently(gateways)
    await gateways.quiet()
    before = "UPDATE gateways.message SET provider_ref = $1 WHERE message = $2"
    await gateways.store.pool.execute(before, wamid, intent.id)
    await is_told(gateways, wamid, "delivered", str(intent.id))
    await gateways.until(intent, "delivered")
    await gateways.store.pool.execute(MIGRATION)
    await is_told(gateways, wamid, "read")
    assert await gateways.until(intent, "read") == ["accepted", "delivered", "read"]


async def test_a_status_that_waited_from_before_is_joined_by_our_id(gateways: Gateways):
    await gateways.goes_wrong(silent=True, refuse=131016)
    intent = await gateways.say()
    await gateways.store.pool.execute(
        "INSERT INTO gateways.waiting_status (tenant, channel, provider_ref, status, reference, at)"
        " VALUES ($1, 'whatsapp', 'wamid.from-before', 'delivered', $2, $3)",
        TENANT,
        intent.id,
        NOON,
    )
    assert "delivered" in await gateways.until(intent, "delivered")
