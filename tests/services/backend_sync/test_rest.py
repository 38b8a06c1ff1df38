"""The ERP asked, told and polled for real: each write once, each contact findable, each follow-up one fact."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from events.address import AddressMoved, SenderUnknown
from events.backend import CallCompleted, CallFailed, FollowupDiscovered
from events.contact import Changed, ErasureFailed, Linked, NotFound, Registered
from events.errand import ToolRequested, WritebackRequested
from events.followup import ContactRequested
from events.operator import ErasureRequested
from libs.channels import whatsapp
from libs.channels.whatsapp import Inbound
from libs.config.bundle import Bundle
from libs.kit import http, ids
from libs.kit.bundles import Bundles
from libs.testkit.nouns import INVOICE, TENANT
from services.backend_sync.rest import Rest
from services.backend_sync.settings import Settings
from services.gateways.whatsapp import facts as gateways
from tests.libs.channels.webhooks import PRIYA_WA_ID, message, messages, webhook
from tests.services.backend_sync.conftest import BackendSync

ODD_AND_FINE = ("F-huge", "F-nul", "F-fine")

pytestmark = pytest.mark.asyncio(loop_scope="module")


def conversation() -> str:
    """A stream that no other test writes."""
    return f"conversation-{ids.fresh()}"


def asks_payment(invoice: str = INVOICE) -> ToolRequested:
    return ToolRequested(
        call="", matter="m", endpoint="check_payment", result_key="payment_status", payload={"invoice_id": invoice}
    )


def tells_promise(invoice: str = INVOICE) -> WritebackRequested:
    payload = {"invoice_id": invoice, "promised_date": "2026-02-20"}
    return WritebackRequested(call="", matter="m", endpoint="record_promise", payload=payload)


async def digest_of_webhook(backend: BackendSync, wa_id: str = PRIYA_WA_ID) -> str:
    """By which gateways look for the sender of an inbound message."""
    said = message("text", text={"body": "hello"})
    contact = {"profile": {"name": "Priya"}, "wa_id": wa_id}
    raw = webhook(messages({**said, "from": wa_id}, contacts=(contact,)))
    [item] = [each for each in whatsapp.read(raw) if isinstance(each, Inbound)]
    return (await backend.store.keyring.lookup(TENANT, "whatsapp", gateways.address_of(item))).hex()


async def test_a_tool_call_is_answered_with_the_erps_json(backend: BackendSync):
    asked = await backend.asked(asks_payment(), conversation())
    answered = await backend.told(f"backend-{asked.id}")
    assert isinstance(answered.event, CallCompleted)
    assert (answered.event.kind, answered.event.status) == ("tool", 200)
    assert answered.event.conversation == asked.subject_id
    assert answered.event.result["paid"] is False
    assert answered.envelope.causation_id == asked.id


async def test_amounts_come_through_as_they_were_sent(backend: BackendSync):
    asked = await backend.asked(asks_payment("INV-2026-0051"), conversation())
    answered = await backend.told(f"backend-{asked.id}")
    assert "118750.50" in {str(value) for value in answered.event.result.values()}


async def test_what_the_erp_does_not_know_is_a_failure_with_its_reason(backend: BackendSync):
    asked = await backend.asked(asks_payment("INV-NONE"), conversation())
    answered = await backend.told(f"backend-{asked.id}")
    assert isinstance(answered.event, CallFailed)
    assert (answered.event.status, answered.event.kind) == (404, "tool")
    assert answered.event.reason.startswith("HTTP 404")


async def test_an_endpoint_that_the_bundle_lacks_is_a_failure_without_a_call(backend: BackendSync):
    request = ToolRequested(call="", matter="m", endpoint="unheard_of", result_key="x", payload={})
    asked = await backend.asked(request, conversation())
    answered = await backend.told(f"backend-{asked.id}")
    assert isinstance(answered.event, CallFailed)
    assert "no endpoint 'unheard_of'" in answered.event.reason
    assert await backend.calls("unheard_of") == []


async def test_a_call_that_failed_for_a_moment_is_made_again(backend: BackendSync):
    await backend.goes_wrong(status=503, retry_after=0, path="INV-2026-0038")
    asked = await backend.asked(asks_payment("INV-2026-0038"), conversation())
    answered = await backend.told(f"backend-{asked.id}")
    assert isinstance(answered.event, CallCompleted)


async def test_a_key_that_the_erp_does_not_take_for_a_while_loses_no_contact_and_no_promise(backend: BackendSync):
    await backend.knows(
        "contacts", id="c_renewed", name="Asha Rao", channels=[{"channel": "email", "address": "a@r.example"}]
    )
    await backend.goes_wrong(status=401, retry_after=0, path="c_renewed")
    await backend.asked(ContactRequested(contact_id="c_renewed"), "followup-renewed")
    known = await backend.told("contact-c_renewed")
    assert isinstance(known.event, Registered)
    await backend.goes_wrong(status=401, retry_after=0, method="POST", path="INV-2026-0038/promises")
    asked = await backend.asked(tells_promise("INV-2026-0038"), conversation())
    assert isinstance((await backend.told(f"backend-{asked.id}")).event, CallCompleted)


async def test_a_write_carries_the_intents_id_and_a_repeat_is_taken_once(backend: BackendSync):
    await backend.goes_wrong(method="POST", path="promises", answer="dropped", commits=True)
    asked = await backend.asked(tells_promise(), conversation())
    answered = await backend.told(f"backend-{asked.id}")
    assert isinstance(answered.event, CallCompleted)
    assert answered.event.kind == "write"
    taken = [write for write in (await backend.erp.get("/_sandbox/erp/writes")).json() if write["key"] == str(asked.id)]
    assert len(taken) == 1
    assert taken[0]["path"].endswith(f"/invoices/{INVOICE}/promises")


async def test_a_write_that_the_erp_refuses_is_told_as_refused(backend: BackendSync):
    asked = await backend.asked(tells_promise("INV-NONE"), conversation())
    answered = await backend.told(f"backend-{asked.id}")
    assert isinstance(answered.event, CallFailed)
    assert (answered.event.kind, answered.event.status) == ("write", 404)


async def test_a_contact_is_found_again_by_the_digest_that_gateways_compute(backend: BackendSync):
    channels = [{"channel": "whatsapp", "address": "098765 43299"}, {"channel": "email", "address": "N@Acme.example"}]
    await backend.knows("contacts", id="c_notation", name="Noor Ali", channels=channels)
    await backend.asked(ContactRequested(contact_id="c_notation"), "followup-notation")
    known = await backend.told("contact-c_notation", Registered)
    assert known.event.profile.name == "Noor Ali"
    assert [entry.address for entry in known.event.profile.channels] == ["+919876543299", "n@acme.example"]
    digests = {lookup.channel: lookup.digest for lookup in known.event.lookups}
    assert digests["whatsapp"] == await digest_of_webhook(backend, "919876543299")
    assert digests["email"] == (await backend.store.keyring.lookup(TENANT, "email", "n@acme.example")).hex()


async def test_a_contact_that_is_asked_for_again_has_changed(backend: BackendSync):
    await backend.knows("contacts", id="c_again", name="Noor", channels=[])
    await backend.asked(ContactRequested(contact_id="c_again"), "followup-again-1")
    await backend.told("contact-c_again", Registered)
    await backend.asked(ContactRequested(contact_id="c_again"), "followup-again-2")
    assert (await backend.told("contact-c_again", Changed)).event.contact_id == "c_again"


async def test_a_contact_that_the_erp_does_not_know_is_told(backend: BackendSync):
    await backend.asked(ContactRequested(contact_id="c_nobody"), "followup-nobody")
    missing = await backend.told("contact-c_nobody")
    assert isinstance(missing.event, NotFound)
    assert "404" in missing.event.reason


async def test_an_unknown_sender_whom_the_erp_names_is_linked_to_that_contact(backend: BackendSync):
    number = "919800000123"
    await backend.knows(
        "contacts", id="c_sender", name="Sana Khan", channels=[{"channel": "whatsapp", "address": f"+{number}"}]
    )
    digest = await digest_of_webhook(backend, number)
    unknown = SenderUnknown(channel="whatsapp", digest=digest, address=f"+{number}")
    await backend.asked(unknown, f"conversation-unknown-{digest[:32]}")
    linked = await backend.told("contact-c_sender", Linked)
    assert linked.event.digest == digest
    known = await backend.told("contact-c_sender", Registered)
    assert digest in {lookup.digest for lookup in known.event.lookups}


async def test_whoever_comes_into_the_chat_is_looked_up_by_the_contact_id_that_their_token_proved(backend: BackendSync):
    await backend.knows("contacts", id="C_Chat", name="Sana Khan", channels=[])
    digest = (await backend.store.keyring.lookup(TENANT, "chat", "C_Chat")).hex()
    unknown = SenderUnknown(channel="chat", digest=digest, address="C_Chat")
    await backend.asked(unknown, f"conversation-unknown-{digest[:32]}")
    linked = await backend.told("contact-C_Chat", Linked)
    assert (linked.event.channel, linked.event.digest) == ("chat", digest)
    assert (await backend.told("contact-C_Chat", Registered)).event.profile.name == "Sana Khan"


async def test_an_unknown_sender_whom_nobody_names_becomes_a_contact_of_their_own(backend: BackendSync):
    digest = await digest_of_webhook(backend, "919800000999")
    unknown = SenderUnknown(channel="whatsapp", digest=digest, address="+919800000999")
    await backend.asked(unknown, f"conversation-unknown-{digest[:32]}")
    stranger = await backend.told(f"contact-unknown-{digest[:32]}", Registered)
    assert not stranger.event.known_to_erp
    assert [lookup.digest for lookup in stranger.event.lookups] == [digest]


async def test_a_sender_whose_phone_is_registered_for_another_channel_is_found(backend: BackendSync):
    number = "919800000124"
    await backend.knows(
        "contacts", id="c_calls", name="Sana Khan", channels=[{"channel": "voice", "address": f"+{number}"}]
    )
    digest = await digest_of_webhook(backend, number)
    unknown = SenderUnknown(channel="whatsapp", digest=digest, address=f"+{number}")
    await backend.asked(unknown, f"conversation-unknown-{digest[:32]}")
    assert (await backend.told("contact-c_calls", Linked)).event.channel == "whatsapp"
    known = await backend.told("contact-c_calls", Registered)
    implied = {lookup.channel: lookup.implied for lookup in known.event.lookups}
    assert implied == {"voice": False, "whatsapp": True, "sms": True, "chat": True}


async def test_a_contact_whose_number_has_changed_is_reached_at_the_new_one(backend: BackendSync):
    await backend.knows(
        "contacts", id="c_moves", name="Sana Khan", channels=[{"channel": "whatsapp", "address": "+919800000125"}]
    )
    await backend.asked(ContactRequested(contact_id="c_moves"), "followup-moves")
    await backend.told("contact-c_moves", Registered)
    new = await digest_of_webhook(backend, "919800000126")
    moved = AddressMoved(
        contact_id="c_moves", channel="whatsapp", digest="d", new_digest=new, address="+91 98000 00126"
    )
    await backend.asked(moved, f"conversation-unknown-{new[:32]}")
    changed = await backend.told("contact-c_moves", Changed)
    assert [entry.address for entry in changed.event.profile.channels] == ["+919800000126"]
    assert new in {lookup.digest for lookup in changed.event.lookups}


async def test_polling_twice_makes_one_fact_of_a_pending_follow_up(backend: BackendSync):
    await backend.knows("followups", id="F-poll", contact_id="c_123", reason="Call back about the audit")
    pauses = [await backend.poller.poll() for _ in range(2)]
    assert pauses == [300.0, 300.0]
    found = await backend.told(f"backend-followup-{ids.digest('F-poll')}", FollowupDiscovered)
    assert (found.event.erp_id, found.event.reason) == ("F-poll", "Call back about the audit")
    assert await backend.store.version(TENANT, found.stream) == 1


async def test_a_poll_that_fails_leaves_everything_for_the_next_one(backend: BackendSync):
    await backend.knows("followups", id="F-later", contact_id="c_123", reason="Later")
    await backend.goes_wrong(status=500, path="followups/pending", times=4)
    await backend.poller.poll()
    assert await backend.store.version(TENANT, f"backend-followup-{ids.digest('F-later')}") == 0
    for _ in range(4):
        await backend.poller.poll()
    assert await backend.store.version(TENANT, f"backend-followup-{ids.digest('F-later')}") == 1


async def test_an_erasure_that_is_given_up_is_a_fact_of_the_contact(backend: BackendSync):
    asked = await backend.asked(ErasureRequested(contact_id="c_gone", operator="asha"), "operator-gone")
    told = backend.rest.kinds()["contact.erase"].dead(asked, "the keys are away")
    assert [(draft.stream, draft.event) for draft in told] == [
        ("contact-c_gone", ErasureFailed(contact_id="c_gone", reason="the keys are away"))
    ]


async def test_a_poll_that_finds_what_cannot_be_kept_takes_the_rest(backend: BackendSync):
    await backend.knows("followups", id="F-huge", contact_id="c_123", reason="x" * 600_000)
    await backend.knows("followups", id="F-nul", contact_id="c\u0000_123", reason="Odd")
    await backend.knows("followups", id="F-fine", contact_id="c_123", reason="Fine")
    await backend.poller.poll()
    kept = [await backend.store.version(TENANT, f"backend-followup-{ids.digest(each)}") for each in ODD_AND_FINE]
    assert kept == [0, 0, 1]


async def test_an_answer_that_no_fact_can_hold_is_a_failure_at_once(backend: BackendSync):
    issues = [{"id": "I1", "kind": "short", "description": "x" * 300_000}]
    await backend.knows(
        "orders",
        id="ORD-huge",
        contact_id="c_123",
        status="confirmed",
        amount=1,
        promised_date="2026-02-24",
        issues=issues,
    )
    asked = ToolRequested(
        call="", matter="m", endpoint="get_order_issues", result_key="issues", payload={"order_id": "ORD-huge"}
    )
    fact = await backend.asked(asked, conversation())
    failed = await backend.told(f"backend-{fact.id}", CallFailed)
    assert failed.event.reason == "the answer has more than 256 KB"
    assert len(await backend.calls("ORD-huge")) == 1


async def test_a_contact_whom_no_fact_can_hold_is_told_as_unknown(backend: BackendSync):
    await backend.knows("contacts", id="c_huge", name="x" * 300_000, channels=[])
    await backend.asked(ContactRequested(contact_id="c_huge"), "followup-huge")
    told = await backend.told("contact-c_huge", NotFound)
    assert told.event.reason == "the contact has more than 256 KB"


async def test_an_erp_that_answers_drop_by_drop_is_left_after_a_while(backend: BackendSync):
    drops = 0

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal drops
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"[")
                await writer.drain()
                drops += 1
                await asyncio.sleep(0.01)

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server, http.client() as client:
        port = server.sockets[0].getsockname()[1]
        settings = Settings(sandbox_url=f"http://127.0.0.1:{port}")
        slow = Rest(settings, backend.store, Bundles(backend.store, Bundle.from_json), client)
        assert await slow.pending(TENANT, timedelta(seconds=0.3)) == []
    assert drops > 1
