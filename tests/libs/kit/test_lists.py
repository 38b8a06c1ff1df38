"""Pages of the log as lists say the same as fact by fact."""

from typing import Any

import msgspec
import pytest

from events.base import Category, Draft, Envelope, Recorded, UnknownFact
from libs.kit import lists
from libs.kit.lists import Facts, Listed, Lists
from libs.kit.store import Store
from libs.testkit.nouns import PRIYA, TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.ledger import PARCEL, Moved, Sent, SentV1, cause, moved, sent


@pytest.fixture
async def log(store_of: StoreOf) -> Store:
    return await store_of(PARCEL)


async def listed(store: Store, *kinds: Any, after: int = 0, upto: int | None = None) -> list[Listed[Any]]:
    pages = Facts(store, kinds).pages(0, after, await store.head(0) if upto is None else upto)
    return [fact async for some in pages for fact in some]


def as_recorded(fact: Listed[Any]) -> Recorded[Any]:
    return Recorded(fact.event, Envelope(**{name: getattr(fact, name) for name in Envelope.__struct_fields__}))


async def told(log: Store) -> None:
    """Sealed facts and others, an old one, one of no known cause, and words that JSON has to escape."""
    why = cause(actor='operator "7"', config="abc", traceparent="00-1-2-01")
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1", key=f"contact-{PRIYA}"), *moved("parcel-1", 1, 2)], why)
    await log.append(
        TENANT, 'parcel-"\\ß]', 0, [Draft('parcel-"\\ß]', Moved(to='"]},'), subject="c_1")], cause(id=None)
    )
    await log.append(TENANT, "parcel-3", 0, [Draft("parcel-3", SentV1(receiver="Priya"))], cause())


async def test_a_listed_fact_is_the_fact_that_the_log_tells(log: Store):
    await told(log)
    assert [as_recorded(fact) for fact in await listed(log, Sent, Moved)] == await log.read_log(0, 0, 100)


@pytest.mark.parametrize("piece", [1, 700, lists.PIECE])
async def test_pages_follow_each_other_without_a_gap(log: Store, monkeypatch: pytest.MonkeyPatch, piece: int):
    monkeypatch.setattr(lists, "PAGE", 2)
    monkeypatch.setattr(lists, "PIECE", piece)
    await told(log)
    assert [fact.pos for fact in await listed(log, Sent, Moved)] == [1, 2, 3, 4, 5]
    assert [fact.pos for fact in await listed(log, Sent, Moved, after=1, upto=4)] == [2, 3, 4]
    assert await listed(log, Sent, Moved, after=5) == []


async def test_a_listed_fact_says_its_family_and_what_its_stream_is_about(log: Store):
    await told(log)
    [*_, fact] = await listed(log, Sent)
    assert (fact.family, fact.subject_id, fact.envelope.type) == ("parcel", "3", "parcel.sent.v1")


async def test_types_that_nobody_wants_stay_in_postgres(log: Store):
    await told(log)
    # What a retired type becomes shows only once it is read.
    assert {fact.type for fact in await listed(log, Moved)} == {"parcel.moved.v1", "parcel.sent.v1"}


async def test_what_a_destroyed_key_sealed_reads_as_erased(log: Store):
    await told(log)
    await log.keyring.destroy(log.pool, TENANT, [f"contact-{PRIYA}"])
    log.keyring.forget()
    [first, *_] = await listed(log, Sent)
    assert first.event.receiver == "[erased]"


async def test_a_type_that_this_version_does_not_know_stops_the_reader(log: Store, store_of: StoreOf):
    await told(log)
    old = await store_of(Category("parcel", current=(Sent,), retired=(SentV1,)))
    with pytest.raises(UnknownFact, match=r"parcel\.moved\.v1"):
        await listed(old, Sent)


async def test_a_reader_who_leaves_early_gives_its_connection_back(log: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lists, "PAGE", 1)
    await told(log)
    for _ in range(20):
        pages = Facts(log, (Sent, Moved)).pages(0, 0, 5)
        assert [fact.pos for fact in await anext(pages)] == [1]
        await pages.aclose()
    assert await log.head(0) == 5


async def test_a_list_may_be_as_narrow_as_one_likes(log: Store):
    class Where(msgspec.Struct):
        to: str = ""

    class Narrow(msgspec.Struct, array_like=True):
        pos: int
        data: Where

    await told(log)
    narrow: Lists[Narrow] = Lists(log, Narrow, ("pos",), meta=False)
    pages = narrow.pages(0, 0, 4, ["parcel"], ["parcel.moved.v1"])
    found = [(fact.pos, fact.data.to) async for some in pages for fact in some]
    assert found == [(fact.pos, fact.event.to) for fact in await log.read_log(0, 1, 3) if isinstance(fact.event, Moved)]
