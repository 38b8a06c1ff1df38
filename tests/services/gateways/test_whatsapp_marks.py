"""A contact sees that we have read, and that we are typing, and nothing of that is ever in the way of a message."""

from datetime import timedelta
from typing import Any

import pytest

from events.conversation import ContactSaid, TurnRequested
from events.refs import ref_of
from tests.libs.kit.effects_world import until
from tests.services.gateways.conftest import Gateways

MARK = "whatsapp.mark_read"
TURN = TurnRequested(turn="t", upto=1, instructions="Answer.")


async def priya_wrote(
    gateways: Gateways, *then: Any, channel: str = "whatsapp", ref: str | None = "wamid.hers"
) -> None:
    stream = await gateways.heard(channel, ref) if ref is not None else "inbound-1"
    said = ContactSaid(
        channel=channel, inbound=stream, text="hello", at=gateways.clock.now(), provider_ref=ref and ref_of(ref)
    )
    await gateways.happens(said, *then)


async def marks(gateways: Gateways) -> list[str | None]:
    """The outcomes of the read marks that were asked for; None of those that are not over."""
    rows = await gateways.store.pool.fetch("SELECT outcome FROM gateways.effect WHERE kind = $1 ORDER BY pos", MARK)
    return [row["outcome"] for row in rows]


async def over(gateways: Gateways, number: int) -> list[str | None]:
    async def all_are() -> list[str | None]:
        outcomes = await marks(gateways)
        return outcomes if len(outcomes) == number and all(outcomes) else []

    return await until(all_are)


async def test_what_has_reached_its_conversation_is_marked_as_read(gateways: Gateways):
    await priya_wrote(gateways)
    assert await over(gateways, 1) == ["done"]
    assert await gateways.control("GET", "/meta/read-marks") == ["wamid.hers"]
    assert await gateways.control("GET", "/meta/typing") == []


async def test_while_claude_is_asked_we_are_typing(gateways: Gateways):
    await priya_wrote(gateways, TURN)
    assert await over(gateways, 2) == ["done", "done"]
    assert await gateways.control("GET", "/meta/typing") == ["wamid.hers"]


async def test_typing_is_shown_under_the_newest_message(gateways: Gateways):
    await priya_wrote(gateways, ref="wamid.first")
    await priya_wrote(gateways, TURN, ref="wamid.second")
    await over(gateways, 3)
    assert await gateways.control("GET", "/meta/typing") == ["wamid.second"]


async def test_on_another_channel_nobody_is_told(gateways: Gateways):
    await priya_wrote(gateways)
    await priya_wrote(gateways, TURN, channel="sms", ref="sms-1")
    await gateways.until(await gateways.say(), "accepted")
    assert await over(gateways, 1) == ["done"]
    assert await gateways.control("GET", "/meta/typing") == []


async def test_a_turn_long_after_the_contact_wrote_is_none_of_an_answer(gateways: Gateways):
    await priya_wrote(gateways)
    await over(gateways, 1)
    await gateways.clock.advance(timedelta(minutes=6))
    await gateways.happens(TURN)
    await gateways.until(await gateways.say(), "accepted")
    assert await marks(gateways) == ["done"]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [({"refuse": 131009}, "refused"), ({"refuse": 130429}, "done"), ({"answer": "dropped"}, "done")],
)
async def test_a_mark_that_fails_tells_nobody_and_holds_up_nothing(
    gateways: Gateways, fault: dict[str, Any], outcome: str
):
    before = await gateways.store.head(0)
    await gateways.goes_wrong(on="mark", **fault)
    await priya_wrote(gateways)
    intent = await gateways.say()
    assert await gateways.until(intent, "read") == ["accepted", "delivered", "read"]
    assert await over(gateways, 1) == [outcome]
    facts = await gateways.store.read_log(0, before, 1000)
    assert {fact.family for fact in facts} == {"conversation", "message", "inbound"}


async def test_marks_that_fail_open_no_breaker_of_the_messages(gateways: Gateways):
    await gateways.goes_wrong(on="mark", answer="dropped", times=20)
    for number in range(6):
        await priya_wrote(gateways, ref=f"wamid.{number}")
    failures = "SELECT failures FROM gateways.account WHERE account = $1"

    async def open_there() -> bool:
        return bool(await gateways.store.pool.fetchval(failures, MARK) >= 5)

    await until(open_there)
    intent = await gateways.say()
    assert await gateways.until(intent, "read") == ["accepted", "delivered", "read"]
    assert await gateways.store.pool.fetchval(failures, "whatsapp") == 0


async def test_marks_that_have_waited_too_long_are_forgotten(gateways: Gateways):
    pool = gateways.store.pool
    shut = "UPDATE gateways.account SET open_until = now() + interval '1 hour' WHERE account = $1 RETURNING account"

    async def is_shut() -> bool:
        return await pool.fetchval(shut, MARK) is not None

    await until(is_shut)
    await priya_wrote(gateways)

    async def waits() -> bool:
        return len(await marks(gateways)) == 1

    await until(waits)
    await pool.execute("UPDATE gateways.effect SET opened_at = now() - interval '21 s' WHERE kind = $1", MARK)

    async def gone() -> bool:
        return await marks(gateways) == []

    await until(gone)
    assert await gateways.control("GET", "/meta/read-marks") == []
