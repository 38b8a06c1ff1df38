"""Published bundles on the real log: stored once by their hash, seen at once, and each a fact."""

from dataclasses import dataclass

import pytest

from events.base import Cause
from events.config import Published
from libs.kit import ids
from libs.kit.bundles import Bundles, NothingPublished, publish
from libs.kit.store import Store
from libs.testkit.nouns import NOON, TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.effects_world import until


@dataclass(frozen=True)
class Words:
    """A bundle that is only text."""

    text: str

    @property
    def hash(self) -> str:
        return f"hash of {self.text}"

    def to_json(self) -> bytes:
        return self.text.encode()


def words(stored: bytes) -> Words:
    return Words(stored.decode())


def because() -> Cause:
    cause_id = ids.fresh()
    return Cause(id=cause_id, correlation_id=cause_id, occurred_at=NOON, source="cli")


@pytest.fixture
def bundles(store: Store) -> Bundles[Words]:
    return Bundles(store, words)


async def test_before_anything_is_published_the_reader_is_told_what_to_do(bundles: Bundles[Words]):
    with pytest.raises(NothingPublished, match="converse config publish"):
        await bundles.current(TENANT)
    with pytest.raises(NothingPublished, match="'no such hash'"):
        await bundles.get("no such hash")


async def test_a_tenant_that_no_path_can_name_has_none(bundles: Bundles[Words]):
    with pytest.raises(NothingPublished):
        await bundles.current("a\0b")


async def test_what_is_published_is_current_and_found_by_its_hash(store: Store, bundles: Bundles[Words]):
    assert await publish(store, TENANT, Words("one"), because())
    assert await bundles.current(TENANT) == Words("one")
    assert await bundles.get("hash of one") == Words("one")


async def test_the_same_bundle_again_is_no_publication(store: Store):
    assert await publish(store, TENANT, Words("one"), because())
    assert not await publish(store, TENANT, Words("one"), because())
    assert await store.version(TENANT, "config-bundle") == 1


async def test_each_publication_is_a_fact_that_names_the_one_before(store: Store):
    for text in ("one", "two", "one"):
        await publish(store, TENANT, Words(text), because())
    told = [fact.event for fact in await store.read_stream(TENANT, "config-bundle")]
    assert told == [
        Published(bundle="hash of one", previous=None),
        Published(bundle="hash of two", previous="hash of one"),
        Published(bundle="hash of one", previous="hash of two"),
    ]


async def test_another_process_sees_a_new_publication_at_once(store: Store, store_of: StoreOf):
    reader = await store_of(role="converse_orchestrator", name="reader")
    bundles = Bundles(reader, words)
    await publish(store, TENANT, Words("one"), because())
    assert await bundles.current(TENANT) == Words("one")
    await publish(store, TENANT, Words("two"), because())

    async def seen() -> bool:
        return await bundles.current(TENANT) == Words("two")

    await until(seen)
    assert await bundles.get("hash of one") == Words("one")


async def test_a_bundle_is_parsed_once(store: Store):
    parsed: list[bytes] = []

    def parse(stored: bytes) -> Words:
        parsed.append(stored)
        return words(stored)

    bundles = Bundles(store, parse)
    await publish(store, TENANT, Words("one"), because())
    for _ in range(3):
        await bundles.current(TENANT)
    assert parsed == [b"one"]


async def test_each_tenant_has_its_own(store: Store, bundles: Bundles[Words]):
    await store.tenants.create("acme")
    await publish(store, TENANT, Words("one"), because())
    with pytest.raises(NothingPublished, match="'acme'"):
        await bundles.current("acme")
    await publish(store, "acme", Words("two"), because())
    assert (await bundles.current(TENANT), await bundles.current("acme")) == (Words("one"), Words("two"))
