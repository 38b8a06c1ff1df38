"""Folds: the newest of one's own streams, the past of others, and nothing kept before the commit."""

from dataclasses import dataclass, field
from uuid import uuid5

import pytest

from events.base import Cause, Draft, Envelope, Event, Recorded
from libs.kit.appends import ANY
from libs.kit.codec import Row
from libs.kit.folds import Fold, FoldCache, Folded, Overlay
from libs.testkit.nouns import NOON, TENANT
from tests.libs.kit.jetstream import ANSWER, ASK, ROOT, Answered, Asked

NUMBERS: Fold[tuple[int, ...]] = Fold(ANSWER, tuple, lambda state, event: (*state, event.number))
ASKED: Fold[tuple[int, ...]] = Fold(ASK, tuple, lambda state, event: (*state, event.number))
CAUSE = Cause(correlation_id=ROOT, occurred_at=NOON, source="test", id=ROOT)
HERE = (TENANT, "answer-1")


def recorded(event: Event, *, stream: str, version: int, pos: int) -> Recorded[Event]:
    envelope = Envelope(
        id=uuid5(ROOT, str(pos)), type="x", source="test", stream=stream, version=version, pos=pos, tenant=TENANT,
        correlation_id=ROOT, occurred_at=NOON, recorded_at=NOON,
    )  # fmt: skip
    return Recorded(event, envelope)


@dataclass
class Streams:
    """Streams in memory, which count how often they are read."""

    facts: dict[str, list[Recorded[Event]]] = field(default_factory=dict)
    reads: list[tuple[str, int]] = field(default_factory=list)

    def hold(self, stream: str, *events: Event, first_pos: int = 1) -> None:
        self.facts[stream] = [
            recorded(event, stream=stream, version=n + 1, pos=first_pos + n) for n, event in enumerate(events)
        ]

    async def read_stream(self, tenant, stream, after_version=0, upto_pos=None):
        self.reads.append((stream, after_version))
        return [
            fact
            for fact in self.facts.get(stream, [])
            if fact.envelope.version > after_version and (upto_pos is None or fact.pos <= upto_pos)
        ]


def answer(number: int) -> Draft:
    return Draft("answer-1", Answered(number=number, total=0))


@pytest.fixture
def streams():
    return Streams()


@pytest.fixture
def cache():
    return FoldCache(10)


@pytest.fixture
def overlay(cache, streams):
    return Overlay(cache, streams, {"answer"})


def fact(pos: int = 100, stream: str = "ask-1", version: int = 1) -> Recorded[Event]:
    return recorded(Asked(number=pos), stream=stream, version=version, pos=pos)


async def test_an_own_stream_is_read_to_its_end(overlay, streams):
    streams.hold("answer-1", Answered(number=1, total=0), Answered(number=2, total=0), first_pos=200)
    assert await overlay.fold(NUMBERS, "answer-1", fact(pos=1)) == (1, 2)


async def test_what_the_batch_decided_is_seen_by_its_later_facts(overlay, streams):
    streams.hold("answer-1", Answered(number=1, total=0))
    overlay.add(TENANT, [answer(2)], CAUSE)
    assert await overlay.fold(NUMBERS, "answer-1", fact()) == (1, 2)
    overlay.add(TENANT, [answer(3)], CAUSE)
    assert await overlay.fold(NUMBERS, "answer-1", fact()) == (1, 2, 3)
    assert len(streams.reads) == 1


async def test_nothing_is_kept_before_the_commit(overlay, cache, streams):
    streams.hold("answer-1", Answered(number=1, total=0))
    await overlay.fold(NUMBERS, "answer-1", fact())
    overlay.add(TENANT, [answer(2)], CAUSE)
    assert len(cache) == 0
    overlay.keep()
    kept = cache.get(HERE, NUMBERS)
    assert (kept.state, kept.version) == ((1, 2), 2)


async def test_a_kept_state_grows_with_facts_whose_handler_did_not_fold_it(overlay, cache, streams):
    await overlay.fold(NUMBERS, "answer-1", fact())
    overlay.add(TENANT, [answer(1)], CAUSE)
    overlay.keep()
    later = Overlay(cache, streams, {"answer"})
    later.add(TENANT, [answer(2)], CAUSE)
    assert [append.expected for append in later.appends("c")] == [1]
    later.keep()
    assert cache.get(HERE, NUMBERS).state == (1, 2)


async def test_versions_follow_each_other_within_a_batch(overlay, streams):
    streams.hold("answer-1", *[Answered(number=n, total=0) for n in range(4)])
    await overlay.fold(NUMBERS, "answer-1", fact())
    overlay.add(TENANT, [answer(1), answer(2)], CAUSE)
    overlay.add(TENANT, [answer(3)], CAUSE)
    assert [(append.expected, len(append.drafts)) for append in overlay.appends("c")] == [(4, 2), (6, 1)]


def test_facts_go_wherever_a_stream_ends_that_nobody_folded(overlay):
    overlay.add(TENANT, [answer(1), answer(2)], CAUSE)
    overlay.add(TENANT, [answer(3)], CAUSE)
    assert [append.expected for append in overlay.appends("c")] == [ANY, ANY]


async def test_interleaved_streams_keep_their_order_and_count_per_stream(overlay):
    await overlay.fold(NUMBERS, "answer-1", fact())
    await overlay.fold(NUMBERS, "answer-2", fact())
    other = Draft("answer-2", Answered(number=9, total=0))
    overlay.add(TENANT, [answer(1), other, answer(2)], CAUSE)
    appends = overlay.appends("c")
    assert [(append.stream, append.first, append.expected) for append in appends] == [
        ("answer-1", 0, 0),
        ("answer-2", 0, 0),
        ("answer-1", 1, 1),
    ]


async def test_a_foreign_stream_is_read_up_to_the_fact(overlay, streams):
    streams.hold("ask-9", Asked(number=1), Asked(number=2), Asked(number=3), first_pos=10)
    assert await overlay.fold(ASKED, "ask-9", fact(pos=11)) == (1, 2)
    assert await overlay.fold(ASKED, "ask-9", fact(pos=12)) == (1, 2, 3)
    assert streams.reads == [("ask-9", 0), ("ask-9", 2)]


async def test_a_foreign_state_from_the_future_is_not_used(overlay, streams):
    streams.hold("ask-9", Asked(number=1), Asked(number=2), first_pos=10)
    await overlay.fold(ASKED, "ask-9", fact(pos=50))
    assert await overlay.fold(ASKED, "ask-9", fact(pos=10)) == (1,)


async def test_the_fact_in_hand_need_not_be_read_again(overlay, streams):
    first = recorded(Asked(number=4), stream="ask-1", version=1, pos=7)
    assert await overlay.fold(ASKED, "ask-1", first) == (4,)
    assert streams.reads == []


def heard(pos: int, stream: str = "ask-9", *, version: int = 3) -> Row:
    told = Asked.__struct_config__.tag
    return Row(pos, stream, version, TENANT, "ask", str(told), ROOT, ROOT, None, NOON, NOON, b"{}", b"{}")


async def test_a_stream_that_was_not_heard_of_is_not_read_again(streams):
    streams.hold("ask-9", Asked(number=1), Asked(number=2), first_pos=10)
    cache = FoldCache(10, {"ask"})
    for pos in (11, 50, 60):
        cache.hear([heard(pos, "ask-1", version=pos)])
        overlay = Overlay(cache, streams, {"answer"})
        assert await overlay.fold(ASKED, "ask-9", fact(pos=pos, version=pos)) == (1, 2)
        overlay.keep()
    assert len(streams.reads) == 1


async def test_a_stream_that_was_heard_of_in_the_same_batch_is_read_again(streams):
    streams.hold("ask-9", Asked(number=1), Asked(number=2), Asked(number=3), first_pos=10)
    cache = FoldCache(10, {"ask"})
    cache.hear([heard(11, "ask-1"), heard(12), heard(13, "ask-1")])
    overlay = Overlay(cache, streams, {"answer"})
    assert await overlay.fold(ASKED, "ask-9", fact(pos=11)) == (1, 2)
    assert await overlay.fold(ASKED, "ask-9", fact(pos=13)) == (1, 2, 3)


async def test_a_stream_of_which_the_news_was_forgotten_is_read_again(streams):
    streams.hold("ask-9", Asked(number=1), Asked(number=2), Asked(number=3), first_pos=10)
    cache = FoldCache(1, {"ask"})
    overlay = Overlay(cache, streams, {"answer"})
    assert await overlay.fold(ASKED, "ask-9", fact(pos=11)) == (1, 2)
    cache.hear([heard(12), heard(13, "ask-1")])
    assert await overlay.fold(ASKED, "ask-9", fact(pos=13)) == (1, 2, 3)


async def test_a_stream_of_a_family_that_is_not_heard_is_read_again(streams):
    streams.hold("ask-9", Asked(number=1), Asked(number=2), first_pos=10)
    cache = FoldCache(10, {"other"})
    overlay = Overlay(cache, streams, {"answer"})
    assert await overlay.fold(ASKED, "ask-9", fact(pos=10)) == (1,)
    assert await overlay.fold(ASKED, "ask-9", fact(pos=11)) == (1, 2)


async def test_a_conflict_makes_the_cache_forget(overlay, cache, streams):
    await overlay.fold(NUMBERS, "answer-1", fact())
    overlay.keep()
    later = Overlay(cache, streams, {"answer"})
    later.add(TENANT, [answer(1)], CAUSE)
    later.forget()
    assert cache.get(HERE, NUMBERS) is None


def test_the_stream_used_longest_ago_makes_room():
    cache = FoldCache(2)
    state: Folded[tuple[int, ...]] = Folded((), 0, 0)
    for n in (1, 2):
        cache.put((TENANT, f"answer-{n}"), NUMBERS, state)
    cache.get((TENANT, "answer-1"), NUMBERS)
    cache.put((TENANT, "answer-3"), NUMBERS, state)
    assert cache.get((TENANT, "answer-2"), NUMBERS) is None
    assert cache.get((TENANT, "answer-1"), NUMBERS) is not None


async def test_a_state_that_the_decision_has_folded_is_not_folded_again(overlay, cache, streams):
    streams.hold("answer-1", Answered(number=1, total=0))
    state = await overlay.fold(NUMBERS, "answer-1", fact())
    overlay.add(TENANT, [answer(2)], CAUSE, [(NUMBERS, "answer-1", (*state, "as decided"))])
    assert await overlay.fold(NUMBERS, "answer-1", fact()) == (1, "as decided")
    overlay.add(TENANT, [answer(3)], CAUSE)
    overlay.keep()
    kept = cache.get(HERE, NUMBERS)
    assert (kept.state, kept.version) == ((1, "as decided", 3), 3)


async def test_a_state_that_lacks_a_fact_of_the_batch_is_not_taken_over(overlay, streams):
    state = await overlay.fold(NUMBERS, "answer-1", fact())
    overlay.add(TENANT, [answer(1)], CAUSE)
    overlay.add(TENANT, [answer(2)], CAUSE, [(NUMBERS, "answer-1", (*state, 2))])
    assert await overlay.fold(NUMBERS, "answer-1", fact()) == (1, 2)


async def test_a_state_of_a_stream_that_nobody_folded_is_not_taken_over(overlay, streams):
    streams.hold("answer-1", Answered(number=1, total=0))
    overlay.add(TENANT, [answer(2)], CAUSE, [(NUMBERS, "answer-1", ("guessed",))])
    assert await overlay.fold(NUMBERS, "answer-1", fact()) == (1, 2)
