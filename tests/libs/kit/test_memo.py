"""The memo: private rows are asked for once, and again as soon as one of them may have changed."""

from libs.kit.memo import Memo
from libs.kit.world import Decision, Row
from tests.libs.kit.jetstream import Asked, within


async def test_private_rows_are_recalled_until_a_row_alters_what_they_say(house):
    pool = house.store.pool
    await pool.execute("CREATE TABLE public.seen (id int)")
    saw: list[tuple[int, int]] = []

    async def look(fact, world):
        recalled = await world.db.recall("seen", "SELECT id FROM public.seen")
        saw.append((len(recalled), await world.db.fetchval("SELECT count(*) FROM public.seen")))
        again = fact.event.number == 1
        return Decision(
            rows=[Row("INSERT INTO public.seen VALUES ($1)", (fact.event.number,), alters="seen" if again else None)]
        )

    reactor = house.reactor(await house.bus("service"), {Asked: look})
    await house.start(reactor.run)
    for batch in ([1, 1], [1], [2], [3]):
        await within(reactor.caught_up(await house.ask(*batch)))
    assert saw == [(0, 0), (1, 1), (2, 2), (3, 3), (3, 4)]


async def test_what_is_about_several_things_is_asked_again_once_one_of_them_is_altered(house):
    await house.store.pool.execute("CREATE TABLE public.seen (id int)")
    saw: list[int] = []

    async def look(fact, world):
        saw.append(len(await world.db.recall_of(["a", "b"], "SELECT id FROM public.seen")))
        altered = {1: "a", 2: "b", 3: "c"}[fact.event.number]
        return Decision(rows=[Row("INSERT INTO public.seen VALUES ($1)", (fact.event.number,), alters=altered)])

    reactor = house.reactor(await house.bus("service"), {Asked: look})
    await house.start(reactor.run)
    for batch in ([1], [2], [2, 3], [3], [1], [1]):
        await within(reactor.caught_up(await house.ask(*batch)))
    assert saw == [0, 1, 2, 3, 3, 3, 6]


async def test_what_was_recalled_in_a_batch_that_failed_is_asked_again(house):
    await house.store.pool.execute("CREATE TABLE public.seen (id int)")
    saw: list[int] = []

    async def look(fact, world):
        world.db.add([Row("INSERT INTO public.seen VALUES ($1)", (fact.event.number,), alters="seen")])
        saw.append(len(await world.db.recall("seen", "SELECT id FROM public.seen")))
        if len(saw) == 1:
            raise ValueError("once")

    last = await house.ask(1)
    reactor = house.reactor(await house.bus("service"), {Asked: look})
    await house.start(reactor.run)
    await within(reactor.caught_up(last))
    await within(reactor.caught_up(await house.ask(1)))
    assert saw == [1, 1, 2]


def test_what_was_used_longest_ago_makes_room():
    memo = Memo(size=2)
    for about in ("a", "b"):
        memo.put(about, {("SELECT 1", ()): []})
    memo.get("a")
    memo.put("c", {("SELECT 1", ()): []})
    assert [about for about in "abc" if memo.get(about)] == ["a", "c"]
