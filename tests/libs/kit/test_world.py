"""The world of a handler: what it reads is as of the fact in hand, and what it decides is written together."""

from datetime import timedelta

from events.base import Draft
from libs.kit.folds import Fold
from libs.kit.world import Decision, Row
from libs.testkit.nouns import NOON, TENANT
from tests.libs.kit.jetstream import (
    ASK,
    Answered,
    Asked,
    insert_row,
    within,
)


async def test_private_rows_commit_with_the_facts_and_are_read_back(house):
    await house.store.pool.execute("CREATE TABLE public.seen (event_id uuid PRIMARY KEY)")
    last = await house.ask(*[1] * 10)
    reactor = house.reactor(await house.bus("service"), {Asked: insert_row})
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    assert await house.store.pool.fetchval("SELECT count(*) FROM public.seen") == 10


async def test_a_foreign_stream_is_folded_up_to_the_fact_in_hand(house):
    asked = Fold(ASK, int, lambda n, event: n + 1)
    seen: list[int] = []

    async def look(fact, world):
        seen.append(await world.fold(asked, fact.stream))

    last = await house.ask(1, 1, 1)
    reactor = house.reactor(await house.bus("service"), {Asked: look})
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    assert seen == [1, 2, 3]


async def test_now_is_the_business_now_and_stays_the_same_through_a_call(house):
    async def answer(fact, world):
        before = world.now()
        await house.clock.advance(timedelta(hours=1))
        assert world.now() == before
        return Decision([Draft("answer-1", Answered(number=1, total=1))], config="bundle-2")

    last = await house.ask(1)
    reactor = house.reactor(await house.bus("service"), {Asked: answer})
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    [fact] = await house.store.read_stream(TENANT, "answer-1")
    assert fact.envelope.occurred_at == NOON
    assert fact.envelope.config == "bundle-2"


async def test_drafts_of_one_decision_keep_their_order_across_streams(house):
    def draft(stream: str, number: int) -> Draft:
        return Draft(stream, Answered(number=number, total=0))

    async def scatter(fact, world):
        return Decision([draft("answer-a", 1), draft("answer-b", 2), draft("answer-a", 3)], [Row("SELECT 1")])

    last = await house.ask(1)
    reactor = house.reactor(await house.bus("service"), {Asked: scatter})
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    facts = await house.store.read_log(0, last, 10)
    assert [(fact.stream, fact.version, fact.event.number) for fact in facts] == [
        ("answer-a", 1, 1),
        ("answer-b", 1, 2),
        ("answer-a", 2, 3),
    ]
    assert len({fact.id for fact in facts}) == 3
