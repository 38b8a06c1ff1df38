"""The emulated Graph API keeps files, gives them out as Meta does, and takes what stands around them."""

from typing import Any

import httpx
import pytest

from libs.channels import whatsapp
from libs.channels.whatsapp_message import Message, content
from tests.services.sandbox.conftest import PHONE_ID, Business, Sandbox

RAHUL = "919812345678"
API = "/sandbox/meta/v26.0"
TOKEN = {"authorization": "Bearer token"}
DAYS = (whatsapp.Option("ptp:today", "Aaj"), whatsapp.Option("ptp:friday", "Friday"))


@pytest.fixture
def needed() -> tuple[str, ...]:
    return ("meta", "contacts", "deepgram")


async def upload(sandbox: Sandbox, data: bytes = b"%PDF-1.7", media_type: str = "application/pdf") -> httpx.Response:
    form = {"messaging_product": "whatsapp", "type": media_type}
    files = {"file": ("INV.pdf", data, media_type)}
    return await sandbox.client.post(f"{API}/{PHONE_ID}/media", data=form, files=files, headers=TOKEN)


async def say(sandbox: Sandbox, message: Message) -> httpx.Response:
    request = whatsapp.write(message, to=RAHUL, account=PHONE_ID, reference="msg_01")
    assert isinstance(request, whatsapp.Request)
    return await sandbox.send(dict(request.body))


async def received(sandbox: Sandbox, **file: Any) -> dict[str, Any]:
    """A file that a contact is about to send."""
    kept: dict[str, Any] = await sandbox.control("POST", "/meta/media", {"media_type": "image/jpeg", **file})
    return kept


async def test_what_was_uploaded_can_be_sent(sandbox: Sandbox):
    media_id = (await upload(sandbox)).json()["id"]
    answer = await say(
        sandbox, whatsapp.FileMessage(whatsapp.File("document", id=media_id, filename="a.pdf"), "Invoice")
    )
    assert answer.status_code == 200
    [message] = await sandbox.sent("msg_01")
    assert (message["type"], message["text"], message["file"], message["file_name"]) == (
        "document",
        "Invoice",
        media_id,
        "a.pdf",
    )
    [kept] = await sandbox.control("GET", "/meta/media")
    assert (kept["uploaded"], kept["size"], kept["name"]) == (True, 8, "INV.pdf")


async def test_a_file_that_was_never_uploaded_is_refused(sandbox: Sandbox):
    answer = await say(sandbox, whatsapp.FileMessage(whatsapp.File("image", id="77")))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 131009)


async def test_an_upload_names_its_type_and_its_sender(sandbox: Sandbox):
    lacking = await sandbox.client.post(f"{API}/{PHONE_ID}/media", data={"type": "x"}, headers=TOKEN)
    assert lacking.json()["error"]["code"] == 131008
    stranger = await sandbox.client.post(f"{API}/{PHONE_ID}/media", data={"type": "x"})
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (401, 190)


async def test_a_contacts_file_is_given_out_for_the_token_only(sandbox: Sandbox):
    kept = await received(sandbox, data="aGVsbG8=", name="a.jpg")
    place = (await sandbox.client.get(f"{API}/{kept['id']}", headers=TOKEN)).json()
    assert (place["mime_type"], place["file_size"], place["sha256"]) == ("image/jpeg", 5, kept["sha256"])
    assert (await sandbox.client.get(place["url"])).status_code == 401
    answer = await sandbox.client.get(place["url"], headers=TOKEN)
    assert (answer.content, answer.headers["content-type"]) == (b"hello", "image/jpeg")


async def test_the_place_of_a_file_is_good_for_five_minutes(sandbox: Sandbox):
    kept = await received(sandbox, data="aGVsbG8=")
    place = (await sandbox.client.get(f"{API}/{kept['id']}", headers=TOKEN)).json()
    sandbox.clock.move(minutes=5, seconds=1)
    assert (await sandbox.client.get(place["url"], headers=TOKEN)).status_code == 404
    again = (await sandbox.client.get(f"{API}/{kept['id']}", headers=TOKEN)).json()
    assert (await sandbox.client.get(again["url"], headers=TOKEN)).status_code == 200


async def test_a_file_that_is_not_there_has_no_place(sandbox: Sandbox):
    answer = await sandbox.client.get(f"{API}/77", headers=TOKEN)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


@pytest.mark.parametrize(("call", "times"), [("media", 1), ("download", 1)])
async def test_a_fault_befalls_the_call_that_it_is_for(sandbox: Sandbox, call: str, times: int):
    kept = await received(sandbox, data="aGVsbG8=")
    await sandbox.fault(on=call, refuse=131016, times=times)
    assert (await sandbox.template(to=RAHUL)).status_code == 200
    first = await sandbox.client.get(f"{API}/{kept['id']}", headers=TOKEN)
    if call == "media":
        assert first.status_code == 503
    else:
        assert (await sandbox.client.get(first.json()["url"], headers=TOKEN)).status_code == 503


async def test_a_file_may_come_out_wrong(sandbox: Sandbox):
    kept = await received(sandbox, data="aGVsbG8=")
    await sandbox.fault(on="download", corrupt=True)
    place = (await sandbox.client.get(f"{API}/{kept['id']}", headers=TOKEN)).json()
    assert (await sandbox.client.get(place["url"], headers=TOKEN)).content != b"hello"


@pytest.mark.parametrize(
    "options", [DAYS, tuple(whatsapp.Option(f"inv:{n}", f"INV-{n}", "₹12,500") for n in range(10))]
)
async def test_a_question_is_shown_with_its_choices(sandbox: Sandbox, options: tuple[whatsapp.Option, ...]):
    answer = await say(sandbox, whatsapp.ChoiceMessage("When?", options))
    assert answer.status_code == 200
    [message] = await sandbox.sent("msg_01")
    assert (message["type"], message["text"]) == ("interactive", "When?")
    assert message["choices"] == [[option.id, option.title] for option in options]


@pytest.mark.parametrize(
    "changed",
    [
        {"body": {"text": ""}},
        {"body": {"text": "x" * 1025}},
        {"action": {}},
        {"action": {"buttons": [{"type": "reply", "reply": {"id": str(n), "title": str(n)}} for n in range(4)]}},
        {"action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "x" * 21}}]}},
        {"action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": t}} for t in "xy"]}},
        {"type": "list", "action": {"sections": [{"rows": [{"id": "a", "title": "A"}]}]}},
    ],
)
async def test_a_question_beyond_metas_limits_is_refused(sandbox: Sandbox, changed: dict[str, Any]):
    body = content(whatsapp.ChoiceMessage("When?", DAYS))
    assert isinstance(body, dict)
    body["interactive"] |= changed
    answer = await sandbox.send({"messaging_product": "whatsapp", "to": RAHUL, **body})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in (100, 131008, 131009)
    assert await sandbox.sent() == []


async def test_typing_is_shown_under_the_message_that_is_read(sandbox: Sandbox):
    first, second = await sandbox.says("hello"), await sandbox.says("anybody?")
    await sandbox.send(dict(whatsapp.mark_read(first, account=PHONE_ID).body))
    await sandbox.send(dict(whatsapp.mark_read(second, account=PHONE_ID, typing=True).body))
    assert await sandbox.control("GET", "/meta/read-marks") == [first, second]
    assert await sandbox.control("GET", "/meta/typing") == [second]


async def test_an_answer_inside_the_window_is_free_until_october(sandbox: Sandbox, business: Business):
    await sandbox.says("hello", sender=RAHUL)
    await sandbox.text("hello", to=RAHUL, reference="free")
    await business.until(lambda b: "read" in [status.state for status in b.statuses])
    assert {(status.category, status.billable) for status in business.statuses} == {("service", False), (None, None)}
    sandbox.clock.move(days=300)
    await sandbox.says("hello again", sender=RAHUL)
    await sandbox.text("hello", to=RAHUL, reference="billed")
    await business.until(lambda b: len([s for s in b.statuses if s.reference == "billed"]) == 3)
    assert {s.billable for s in business.statuses if s.reference == "billed"} == {True, None}


async def test_meta_tells_what_is_no_message(sandbox: Sandbox, business: Business):
    stop = {"wa_id": RAHUL, "category": "marketing_messages", "value": "stop", "timestamp": 1771218000}
    await sandbox.control("POST", "/meta/changes", {"field": "user_preferences", "value": {"user_preferences": [stop]}})
    await business.until(lambda b: bool(b.items))
    [told] = business.items
    assert isinstance(told, whatsapp.Preference)
    assert told.sender.number == "+" + RAHUL


async def test_a_voice_note_of_somebody_described_can_be_fetched_and_heard(sandbox: Sandbox, business: Business):
    kept = await received(sandbox, media_type="audio/ogg; codecs=opus", spoken="kal kar dunga", data="")
    audio = {"id": kept["id"], "mime_type": "audio/ogg; codecs=opus", "voice": True}
    await sandbox.says("", message={"type": "audio", "audio": audio})
    await business.until(lambda b: bool(b.said))
    place = (await sandbox.client.get(f"{API}/{kept['id']}", headers=TOKEN)).json()
    recording = (await sandbox.client.get(place["url"], headers=TOKEN)).content
    url = "/sandbox/deepgram/v1/listen?model=nova-3"
    answer = await sandbox.client.post(url, content=recording, headers={"authorization": "Token key"})
    assert answer.json()["results"]["channels"][0]["alternatives"][0]["transcript"] == "kal kar dunga"
