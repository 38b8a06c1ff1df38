"""Exotel's Connect API takes forms, refuses as documented, and tells what became of a call: asked, and by callbacks."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from services.sandbox.app import base_urls
from services.sandbox.voice.settings import ExotelSettings
from tests.services.sandbox.conftest import Sandbox
from tests.services.sandbox.voice.conftest import Callbacks
from tests.services.sandbox.voice.rig import Agent, Exotel, agent, script

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANGS_UP = "{rings_seconds: 0, acts: [{on: answered, do: [{wait: 1, hang_up: true}]}]}"


@pytest_asyncio.fixture(loop_scope="module")
async def business() -> AsyncIterator[Agent]:
    async with agent() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def exotel(sandbox: Sandbox, business: Agent, callbacks: Callbacks) -> Exotel:
    await script(sandbox, HANGS_UP)
    events = {"StatusCallbackEvents[0]": "ringing", "StatusCallbackEvents[1]": "answered"}
    form = {
        "StreamUrl": business.url,
        "CustomField": "call_01",
        "StatusCallback": callbacks.url,
        **events,
        "StatusCallbackEvents[2]": "terminal",
    }
    return Exotel(sandbox, form)


async def test_a_call_is_taken_in_json_or_xml(exotel: Exotel):
    call = (await exotel.connect()).json()["Call"]
    assert (call["Status"], call["From"], call["To"]) == ("in-progress", "09000000001", None)
    assert call["DateCreated"] == "2026-02-16 10:30:00"
    as_xml = await exotel.connect("")
    assert as_xml.headers["content-type"].startswith("application/xml")
    assert as_xml.text.startswith('<?xml version="1.0" encoding="UTF-8"?><TwilioResponse><Call><Sid>')


@pytest.mark.parametrize(
    "wrong",
    [
        {"From": None},
        {"CallerId": None},
        {"StreamUrl": None},
        {"StreamType": "unidirectional"},
        {"StreamUrl": "https://not.a.socket"},
        {"StreamUrl": "ws://" + "x" * 600},
        {"CustomField": "x" * 129},
        {"TimeLimit": "14401"},
        {"From": "Priya"},
    ],
)
async def test_what_exotel_would_not_take_is_refused(exotel: Exotel, wrong: dict[str, str | None]):
    answer = await exotel.connect(**wrong)
    assert answer.status_code == 400
    assert answer.json()["RestException"]["Status"] == 400


async def test_without_credentials_nothing_is_placed(sandbox: Sandbox):
    path = base_urls(sandbox.origin)["telephony"] + "/v1/Accounts/acme1/Calls/connect.json"
    answer = await sandbox.client.post(path, data={"From": "+919000000001"})
    assert (answer.status_code, answer.json()["RestException"]["Code"]) == (401, 34010)


async def test_a_refusal_on_demand(exotel: Exotel):
    await exotel.sandbox.control("POST", "/exotel/faults", {"refuse": "403:40001"})
    answer = await exotel.connect()
    assert (answer.status_code, answer.json()["RestException"]["Code"]) == (403, 40001)
    assert (await exotel.connect()).status_code == 200


async def test_a_lost_answer_may_have_placed_the_call(exotel: Exotel):
    await exotel.sandbox.control(
        "POST", "/exotel/faults", [{"answer": "dropped"}, {"answer": "dropped", "commits": False}]
    )
    for _ in range(2):
        with pytest.raises(httpx.HTTPError):
            await exotel.connect()
    base = base_urls(exotel.sandbox.origin)["telephony"]
    query = {"From": "+919000000001", "DateCreated": "gte:2026-02-16 10:00:00;lte:2026-02-16 11:00:00"}
    found = await exotel.sandbox.client.get(f"{base}/v1/Accounts/acme1/Calls.json", params=query, auth=("key", "token"))
    assert len(found.json()["Calls"]) == 1


async def test_callbacks_tell_ringing_answered_and_the_end(exotel: Exotel, callbacks: Callbacks):
    sid = await exotel.call(StatusCallbackContentType="application/json")
    told = {each["EventType"]: each for each in await callbacks.until(3)}
    assert set(told) == {"ringing", "answered", "terminal"}
    end = told["terminal"]
    assert (end["CallSid"], end["Status"], end["CustomField"]) == (sid, "completed", "call_01")
    assert end["Legs"][0]["AnsweredBy"] == "HUMAN"
    assert end["ConversationDuration"] == 1


async def test_forms_carry_legs_in_brackets(exotel: Exotel, callbacks: Callbacks):
    await exotel.call()
    end = (await callbacks.until(3))[-1]
    assert end["Legs[0][Status]"] == "completed"


async def test_a_call_with_no_more_than_a_callback_is_told_of_its_end_only(exotel: Exotel, callbacks: Callbacks):
    exotel.form = {name: value for name, value in exotel.form.items() if "Events" not in name}
    sid = await exotel.call()
    await exotel.over(sid)
    await callbacks.until(1)
    assert [each["EventType"] for each in callbacks.told] == ["terminal"]


async def test_callbacks_come_twice_short_and_in_the_wrong_order(exotel: Exotel, callbacks: Callbacks):
    await exotel.sandbox.control("POST", "/exotel/faults", {"copies": 2, "short": True, "backwards": True})
    await exotel.call()
    told = await callbacks.until(6)
    assert [each["Status"] for each in told[:2]] == ["completed", "completed"]
    assert set(told[0]) == {"CallSid", "Status", "RecordingUrl", "DateUpdated"}


async def test_a_callback_that_is_refused_comes_again(exotel: Exotel, callbacks: Callbacks):
    callbacks.refuses = 2
    await exotel.call()
    await callbacks.until(3)
    assert sum(each["attempts"] for each in await exotel.sandbox.control("GET", "/exotel/callbacks")) == 5


async def test_without_callbacks_the_details_tell_it(exotel: Exotel):
    await exotel.sandbox.control("POST", "/exotel/faults", {"silent": True})
    sid = await exotel.call(Record="true")
    assert (await exotel.details(sid))["Status"] == "in-progress"
    await exotel.over(sid)
    call = await exotel.details(sid)
    assert (call["Status"], call["Duration"], call["AnsweredBy"]) == ("completed", 1, "HUMAN")
    assert call["Details"]["ConversationDuration"] == 1
    base = base_urls(exotel.sandbox.origin)["telephony"]
    recording = await exotel.sandbox.client.get(base + call["RecordingUrl"], auth=("key", "token"))
    assert recording.content[:4] == b"RIFF"


@pytest.mark.parametrize("fate", ["busy", "no-answer", "failed"])
async def test_a_call_that_nobody_takes(exotel: Exotel, callbacks: Callbacks, business: Agent, fate: str):
    await script(exotel.sandbox, f"{{fate: {fate}, rings_seconds: 0}}")
    sid = await exotel.call(TimeOut="1")
    await exotel.over(sid)
    call = await exotel.details(sid)
    assert (call["Status"], call["Duration"], call["AnsweredBy"]) == (fate, 0, None)
    await callbacks.until(2)
    assert business.frames == []


async def test_nobody_waits_longer_than_the_time_out(exotel: Exotel):
    await script(exotel.sandbox, "{rings_seconds: 40}")
    sid = await exotel.call(TimeOut="1")
    assert (await exotel.over(sid))["status"] == "no-answer"


async def test_who_does_not_want_to_wait_makes_time_pass_faster(exotel: Exotel):
    await exotel.sandbox.control("PUT", "/exotel/speed", {"speed": 10_000})
    await script(exotel.sandbox, "{fate: no-answer}")
    sid = await exotel.call(TimeOut="30")
    assert (await exotel.over(sid))["status"] == "no-answer"
    assert (await exotel.sandbox.client.put("/_sandbox/exotel/speed", json={"speed": 0})).status_code == 422


async def test_a_mailbox_answers_as_a_machine(exotel: Exotel, business: Agent):
    await script(exotel.sandbox, "{fate: voicemail, rings_seconds: 0}")
    sid = await exotel.call()
    await business.until(event="media", count=30)
    await business.socket.close()  # type: ignore[union-attr]
    assert (await exotel.over(sid))["moments"][0]["what"].startswith("The person you are calling is not available")
    assert (await exotel.details(sid))["AnsweredBy"] == "MACHINE"


async def test_a_number_may_be_on_the_register(exotel: Exotel):
    base = base_urls(exotel.sandbox.origin)["telephony"]
    path = f"{base}/v1/Accounts/acme1/Numbers/09812345678.json"
    assert (await exotel.sandbox.client.get(path, auth=("key", "token"))).json()["Numbers"]["DND"] == "No"


class TestASmallAccount:
    """The limits of an account."""

    @pytest.fixture
    def account(self) -> ExotelSettings:
        return ExotelSettings(rate_per_minute=2, speed=50, settles_after=30, dnd=("+919812345678",))

    async def test_requests_are_limited_by_the_minute(self, exotel: Exotel):
        answers = [await exotel.connect() for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 61

    async def test_duration_and_price_settle_later(self, exotel: Exotel):
        sid = await exotel.call()
        await exotel.over(sid)
        call = await exotel.details(sid)
        assert (call["Status"], call["Duration"], call["EndTime"], call["Price"]) == ("completed", None, None, None)

    async def test_it_is_on_the_register(self, exotel: Exotel):
        base = base_urls(exotel.sandbox.origin)["telephony"]
        path = f"{base}/v1/Accounts/acme1/Numbers/09812345678.json"
        answer = await exotel.sandbox.client.get(path, auth=("key", "token"))
        assert msgspec.json.decode(answer.content)["Numbers"]["DND"] == "Yes"


class TestAnAccountWithoutVoiceAi:
    """The feature must be enabled by Exotel."""

    @pytest.fixture
    def account(self) -> ExotelSettings:
        return ExotelSettings(voice_ai=False, speed=50)

    async def test_a_stream_is_forbidden(self, exotel: Exotel):
        assert (await exotel.connect()).status_code == 403
