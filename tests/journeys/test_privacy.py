"""What the log and JetStream hold of a person can be read with their key only, and with nothing once it is destroyed."""

import base64
from pathlib import Path

import pytest

from events import consent, conversation, message
from libs.domain import conversation as talk
from libs.domain.conversation import Conversation
from libs.testkit.nouns import TENANT
from tests.journeys.conftest import FreshTown
from tests.journeys.people import Person
from tests.journeys.plain import forms
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

HER_WORDS = "Haan ji, 20 February tak kar denge, mera naya dafter Zanzibar Road par hai"
SEARCHED = "SELECT count(*) FROM log.event WHERE position($1::bytea in data) > 0 OR position($1::bytea in meta) > 0"
NAMES = "SELECT count(*) FROM log.event WHERE position($1 in stream_id || tenant || type) > 0"


async def test_no_name_number_or_word_of_a_contact_is_readable_in_the_log_or_in_jetstream(
    fresh_town: FreshTown, tmp_path: Path
):
    town = await fresh_town()
    asha = await town.somebody()
    await journey(asha)
    store = tmp_path / "nats" / "jetstream"
    files = [path for path in store.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    assert b"conversation.message_requested.v1" in content
    for secret in (asha.name, asha.phone, asha.phone[1:], asha.phone[3:], "Zanzibar Road", "tak kar denge", HER_WORDS):
        pool = town.running.store.pool
        for form in forms(secret):
            assert await pool.fetchval(SEARCHED, form) == 0, f"{secret} can be read in the log, as {form!r}"
            assert await pool.fetchval(NAMES, form.decode()) == 0, f"{secret} can be read in the names of the log"
            assert form not in content, f"{secret} can be read in JetStream, as {form!r}"


async def test_a_number_is_found_wherever_it_stands_behind_base64():
    number, metas = "919876543210", b"wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSQjk2NzQ3NDQxQ0VCNzUwNEE0AA=="
    assert any(form in metas for form in forms(number))
    for before in range(6):
        within = base64.b64encode(b"?" * before + number.encode() + b"\x15\x02\x00")
        assert any(form in within for form in forms(number))


async def test_what_we_write_to_a_contact_is_as_secret_as_what_they_write(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await journey(asha)
    for sent in await asha.received():
        words = sent["text"][:40].encode()
        assert await town.running.store.pool.fetchval(SEARCHED, words) == 0


async def test_destroying_the_contacts_key_leaves_the_conversation_folding_and_unreadable(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await journey(asha)
    before = await folded(town, asha)
    assert await erased(town, asha) > 0
    after = await folded(town, asha)
    assert after.version == before.version
    assert after.status == before.status
    assert [matter.state for matter in after.matters.values()] == [matter.state for matter in before.matters.values()]
    assert {line.text for line in after.lines} == {"[erased]"}
    facts = await town.running.store.read_log(0, 0, 10_000)
    assert HER_WORDS not in repr(facts)
    assert asha.name not in repr(facts)
    assert asha.phone not in repr(facts)


async def test_after_the_key_is_destroyed_others_go_on(fresh_town: FreshTown):
    town = await fresh_town()
    asha, ravi = await town.somebody(), await town.somebody()
    await asha.was_reminded()
    await erased(town, asha)
    await asha.says("hello?")
    await ravi.was_reminded()
    await ravi.says("20 February tak kar denge")
    await ravi.sees(conversation.ProcessMoved, to_state="promised")
    await ravi.sees(message.Accepted, times=2)


async def test_the_evidence_of_a_stop_is_sealed_too(fresh_town: FreshTown):
    town = await fresh_town()
    asha = await town.somebody()
    await asha.was_reminded()
    await asha.says("मैसेज मत भेजो")
    await asha.sees(consent.Withdrawn)
    await asha.sees(conversation.Closed)
    assert await town.running.store.pool.fetchval(SEARCHED, "मैसेज मत भेजो".encode()) == 0


async def journey(asha: Person) -> None:
    """A reminder, a promise, an operator's word and a confirmation."""
    await asha.was_reminded()
    await asha.says(HER_WORDS)
    await asha.sees(conversation.ProcessMoved, to_state="promised")
    await asha.sees(message.Read, times=2)
    await asha.taken_over()
    await asha.replied("Dhanyavaad, Zanzibar Road note kar liya")
    await asha.sees(message.Read, times=3)


async def erased(town: Town, asha: Person) -> int:
    """Destroy the contact's keys; how many there were."""
    async with town.running.store.pool.acquire() as connection:
        return await town.running.store.keyring.destroy(connection, TENANT, [f"contact-{asha.id}"])


async def folded(town: Town, asha: Person) -> Conversation:
    """The conversation as its facts make it now."""
    state = Conversation()
    for fact in await town.running.store.read_stream(TENANT, f"conversation-{await asha.conversation()}"):
        state = talk.evolve(state, fact.event)
    return state
