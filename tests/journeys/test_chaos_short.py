"""The short versions of `make chaos`: nothing is lost, doubled, left open or left without an answer; and what is, is seen."""

from datetime import datetime
from typing import Any

import asyncpg
import pytest

from events.base import Cause, Draft, Event
from events.conversation import CONVERSATION, ContactSaid, Escalated, MessageRequested, Opened
from events.inbound import INBOUND, Received
from events.values import Body, PolicyDecision
from libs.kit import ids
from libs.kit.store import Store
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import StoreOf
from tests.chaos import verdict as judging
from tests.chaos import webhooks
from tests.chaos.run import Plan, run

SHORT = Plan(faults=13, seed=20, every_s=1.0, matters_per_second=1.5, call_timeout_s=3.0, quiet_within_s=60.0)
SHORT_TALK = webhooks.Plan(
    webhooks=150, seed=20, every_s=1.5, contacts_per_second=3.0, call_timeout_s=3.0, quiet_within_s=90.0
)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_doubled_when_everything_fails_once():
    verdict = await run(SHORT)
    assert verdict.violations == []
    assert verdict.figures["faults"] == 13
    assert verdict.figures["events accepted (202)"] > 5


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_webhooks_in_any_order_are_heard_once_and_answered_while_gateways_die():
    verdict = await webhooks.run(SHORT_TALK)
    assert verdict.violations == []
    assert verdict.figures["faults"] > 1
    assert verdict.figures["messages of contacts in the log"] > 20


class Talk:
    """A log in which a contact wrote, without the services that would hear it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._store.pool.fetch(sql, *args)
        return rows

    async def value(self, sql: str, *args: Any) -> Any:
        return await self._store.pool.fetchval(sql, *args)

    async def tell(self, stream: str, *events: Event) -> None:
        cause = Cause(id=ids.fresh(), correlation_id=ids.fresh(), occurred_at=NOON, source="test")
        await self._store.append_any(TENANT, stream, [Draft(stream, event) for event in events], cause)

    async def writes(self, number: int) -> None:
        await self.tell(f"inbound-whatsapp-{number}", received(number))

    async def judged(self) -> list[str]:
        verdict = judging.Verdict()
        await judging.messages(self, verdict)
        return [each.split(":")[0] for each in verdict.violations]


@pytest.fixture
async def talk(store_of: StoreOf) -> Talk:
    return Talk(await store_of(CONVERSATION, INBOUND))


async def test_a_message_that_no_conversation_heard_is_seen(talk: Talk):
    await talk.writes(1)
    assert await talk.judged() == ["messages of contacts not heard exactly once"]


async def test_a_message_that_was_heard_twice_is_seen(talk: Talk):
    await talk.writes(1)
    await talk.tell("conversation-1", Opened(contact_id="c_1"), said(1), said(1), answer(3))
    assert await talk.judged() == ["messages of contacts not heard exactly once"]


async def test_a_conversation_without_an_answer_to_the_last_message_is_seen(talk: Talk):
    await talk.writes(1)
    await talk.writes(2)
    await talk.tell("conversation-1", Opened(contact_id="c_1"), said(1), answer(2), said(2))
    assert await talk.judged() == ["conversations without an answer to what was said last"]


async def test_an_answer_or_a_person_for_the_last_message_is_enough(talk: Talk):
    await talk.writes(1)
    await talk.writes(2)
    await talk.tell("conversation-1", Opened(contact_id="c_1"), said(1), answer(2))
    await talk.tell("conversation-2", Opened(contact_id="c_2"), said(2), Escalated(reason="asks for a person"))
    assert await talk.judged() == []


def received(number: int) -> Received:
    return Received(
        channel="whatsapp",
        account="1",
        digest="d",
        sender="+919800000000",
        text="Namaste",
        provider_ref=f"wamid.{number}",
    )


def said(number: int, at: datetime = NOON) -> ContactSaid:
    return ContactSaid(channel="whatsapp", inbound=f"inbound-whatsapp-{number}", text="Namaste", at=at)


def answer(upto: int) -> MessageRequested:
    allowed = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=NOON)
    return MessageRequested(
        message="m", channel="whatsapp", to="+919800000000", body=Body(text="Ji"), allowed_by=allowed, answers=upto
    )
