"""Files go out by upload and come in whole, checked and sealed; what is said in a voice note is written down."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from events.inbound import FetchFailed, Received
from events.message import Rejected
from events.values import Attachment, Body
from libs.kit.objects import ObjectErased
from libs.testkit.nouns import HER_PROMISE, TENANT
from tests.libs.kit.effects_world import until
from tests.services.gateways.conftest import Gateways

PHOTO = b"\xff\xd8\xff a receipt"
NOTE = b"OggS a voice note"


async def kept(gateways: Gateways, data: bytes = PHOTO, media_type: str = "image/jpeg", **more: Any) -> dict[str, Any]:
    """A file that Priya is about to send."""
    body = {"data": base64.b64encode(data).decode(), "media_type": media_type, **more}
    file: dict[str, Any] = await gateways.control("POST", "/meta/media", body)
    return file


async def priya_sends(gateways: Gateways, kind: str = "image", *, file: dict[str, Any], **about: Any) -> Received:
    part = {"id": file["id"], "mime_type": file["media_type"], **about}
    await gateways.priya_says("", message={"type": kind, kind: part})
    [fact] = await gateways.inbound("received")
    received: Received = fact.event
    return received


async def test_a_picture_is_fetched_checked_and_sealed(gateways: Gateways):
    file = await kept(gateways)
    digest = base64.b64encode(hashlib.sha256(PHOTO).digest()).decode()
    received = await priya_sends(gateways, file=file, sha256=digest, caption="paid today")
    assert (received.kind, received.text) == ("image", "paid today")
    announced = Attachment(media_type="image/jpeg", provider_id=file["id"], sha256=hashlib.sha256(PHOTO).hexdigest())
    assert received.attachments == [announced]
    [fact] = await gateways.inbound("fetched")
    [attachment] = fact.event.attachments
    assert (attachment.size, attachment.sha256, attachment.media_type) == (
        len(PHOTO),
        hashlib.sha256(PHOTO).hexdigest(),
        "image/jpeg",
    )
    assert fact.stream == (await gateways.inbound("received"))[0].stream
    assert await gateways.objects.get(TENANT, attachment.object) == PHOTO


async def test_with_the_facts_key_the_file_is_erased(gateways: Gateways):
    await priya_sends(gateways, file=await kept(gateways))
    [fact] = await gateways.inbound("fetched")
    assert fact.event.attachments[0].sha256 == hashlib.sha256(PHOTO).hexdigest()
    name = fact.event.attachments[0].object
    async with gateways.store.pool.acquire() as connection, connection.transaction():
        await gateways.store.keyring.destroy(connection, TENANT, [fact.stream])
    gateways.store.keyring.forget(TENANT)
    with pytest.raises(ObjectErased):
        await gateways.objects.get(TENANT, name)


async def test_a_voice_note_is_written_down(gateways: Gateways):
    file = await kept(gateways, NOTE, "audio/ogg; codecs=opus", spoken=HER_PROMISE)
    received = await priya_sends(gateways, "audio", file=file, voice=True)
    assert (received.kind, received.attachments[0].voice) == ("audio", True)
    [fact] = await gateways.inbound("fetched")
    assert fact.event.transcript == HER_PROMISE
    assert await gateways.objects.get(TENANT, fact.event.attachments[0].object) == NOTE


@pytest.mark.parametrize("fault", [{"refuse": 429}, {"refuse": 503}, {"answer": "garbled"}, {"answer": "dropped"}])
async def test_a_transcription_that_fails_is_asked_for_again(gateways: Gateways, fault: dict[str, Any]):
    await gateways.control("POST", "/deepgram/faults", fault)
    await priya_sends(gateways, "audio", file=await kept(gateways, NOTE, "audio/ogg", spoken=HER_PROMISE), voice=True)
    [fact] = await gateways.inbound("fetched")
    assert fact.event.transcript == HER_PROMISE


@pytest.mark.parametrize("fault", [None, {"refuse": 402}])
async def test_a_voice_note_that_nobody_understands_is_kept_without_words(
    gateways: Gateways, fault: dict[str, Any] | None
):
    if fault:
        await gateways.control("POST", "/deepgram/faults", fault)
    await priya_sends(gateways, "audio", file=await kept(gateways, NOTE, "audio/ogg"), voice=True)
    [fact] = await gateways.inbound("fetched")
    assert fact.event.transcript is None
    assert await gateways.objects.get(TENANT, fact.event.attachments[0].object) == NOTE


@pytest.mark.parametrize(
    "fault",
    [
        {"on": "media", "refuse": 131016},
        {"on": "media", "answer": "garbled"},
        {"on": "download", "refuse": 131000},
        {"on": "download", "answer": "dropped"},
        {"on": "download", "corrupt": True},
    ],
)
async def test_what_goes_wrong_on_the_way_is_tried_again(gateways: Gateways, fault: dict[str, Any]):
    await gateways.goes_wrong(**fault)
    await priya_sends(gateways, file=await kept(gateways))
    [fact] = await gateways.inbound("fetched")
    assert await gateways.objects.get(TENANT, fact.event.attachments[0].object) == PHOTO


async def test_a_file_that_meta_no_longer_has_is_told(gateways: Gateways):
    await priya_sends(gateways, file={"id": "77", "media_type": "image/jpeg"})
    [fact] = await gateways.inbound("fetch_failed")
    assert isinstance(fact.event, FetchFailed)
    assert "100" in fact.event.reason or "does not exist" in fact.event.reason


async def test_a_file_waits_for_an_account_that_is_refused(gateways: Gateways):
    await gateways.goes_wrong(on="media", refuse=190)
    await priya_sends(gateways, file=await kept(gateways))
    query = "SELECT not_before - now() FROM gateways.effect WHERE kind = 'whatsapp.fetch' AND attempt = 1 AND state = 'open'"

    async def waits() -> bool:
        pause = await gateways.store.pool.fetchval(query)
        return pause is not None and pause > timedelta(minutes=14)

    await until(waits)


async def test_a_file_that_is_too_large_is_not_fetched(gateways: Gateways):
    await priya_sends(gateways, file=await kept(gateways, b"x" * (5 * 1024 * 1024 + 1)))
    [fact] = await gateways.inbound("fetch_failed")
    assert "image may have" in fact.event.reason


async def test_a_message_that_comes_three_times_is_fetched_once(gateways: Gateways):
    file = await kept(gateways)
    part = {"type": "image", "image": {"id": file["id"], "mime_type": "image/jpeg"}}
    await gateways.priya_says("", message=part, copies=3)
    await gateways.inbound("fetched")
    await gateways.quiet()
    facts = await gateways.store.read_log(0, 0, 1000, families=["inbound"])
    assert [type(fact.event).__name__ for fact in facts] == ["Received", "Fetched"]


async def test_a_file_of_ours_is_uploaded_and_sent(gateways: Gateways):
    name = await gateways.objects.put(TENANT, "contact-c_123", "invoice", b"%PDF-1.7")
    await gateways.priya_says("the invoice, please")
    pdf = Attachment(media_type="application/pdf", name="INV-2026-0042.pdf", object=name, size=8)
    intent = await gateways.say(body=Body(text="Here it is", attachments=[pdf]))
    await gateways.until(intent, "read")
    [message] = await gateways.sent()
    assert (message["type"], message["text"], message["file_name"]) == ("document", "Here it is", "INV-2026-0042.pdf")
    [upload] = [each for each in await gateways.control("GET", "/meta/media") if each["uploaded"]]
    assert (message["file"], upload["size"], upload["sha256"]) == (
        upload["id"],
        8,
        hashlib.sha256(b"%PDF-1.7").hexdigest(),
    )


async def test_an_upload_whose_answer_is_lost_is_repeated_and_the_message_sent_once(gateways: Gateways):
    await gateways.goes_wrong(on="upload", answer="dropped")
    name = await gateways.objects.put(TENANT, "contact-c_123", "invoice", b"%PDF-1.7")
    await gateways.priya_says("the invoice, please")
    pdf = Attachment(media_type="application/pdf", object=name)
    intent = await gateways.say(body=Body(text="", attachments=[pdf]))
    assert await gateways.until(intent, "read") == ["accepted", "delivered", "read"]
    assert len(await gateways.sent()) == 1


async def test_a_file_that_is_gone_is_refused(gateways: Gateways):
    gone = Attachment(media_type="application/pdf", object=f"{TENANT}/0/0")
    intent = await gateways.say(body=Body(text="", attachments=[gone]))
    await gateways.until(intent, "rejected")
    [fact] = await gateways.told(intent)
    assert isinstance(fact.event, Rejected)
    assert "cannot be read" in fact.event.reason
    assert await gateways.sent() == []


async def test_what_can_never_be_uploaded_is_refused(gateways: Gateways):
    await gateways.goes_wrong(on="upload", refuse=131053)
    name = await gateways.objects.put(TENANT, "contact-c_123", "invoice", b"%PDF-1.7")
    intent = await gateways.say(body=Body(text="", attachments=[Attachment(media_type="application/pdf", object=name)]))
    await gateways.until(intent, "rejected")

    async def closed() -> bool:
        return bool((await gateways.effect(intent)).get("outcome") == "refused")

    await until(closed)
    assert await gateways.sent() == []
