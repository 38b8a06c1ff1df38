"""Exotel's media client connects, streams 100 ms at a time, plays, echoes marks, clears, and says how it ended."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.sandbox.voice.sound import silence
from services.sandbox.voice.speech import Speaker
from tests.services.sandbox.conftest import Sandbox
from tests.services.sandbox.voice.rig import Agent, Exotel, agent, script

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTENS = "{rings_seconds: 0, acts: []}"


@pytest_asyncio.fixture(loop_scope="module")
async def business() -> AsyncIterator[Agent]:
    async with agent() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def exotel(sandbox: Sandbox, business: Agent) -> Exotel:
    await script(sandbox, LISTENS)
    return Exotel(sandbox, {"StreamUrl": business.url + "?call=01&sample-rate=8000"})


async def test_the_stream_begins_as_documented(exotel: Exotel, business: Agent):
    sid = await exotel.call()
    await business.until(event="media", count=3)
    connected, start, *media = business.frames
    assert connected == {"event": "connected"}
    assert start["start"]["call_sid"] == sid
    assert start["start"]["from"] == "+919000000001"
    assert start["start"]["to"] == "+918047491899"
    assert start["start"]["custom_parameters"] == {"call": "01"}
    assert start["start"]["media_format"] == {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"}
    assert [frame["sequence_number"] for frame in business.frames[1:4]] == ["1", "2", "3"]
    assert [frame["media"]["timestamp"] for frame in media[:2]] == ["100", "200"]
    assert len(business.heard) == 1600 * len(media)


async def test_a_higher_rate_has_longer_blocks(exotel: Exotel, business: Agent):
    await exotel.call(StreamUrl=business.url + "?sample-rate=16000")
    await business.until(event="media", count=2)
    assert len(business.heard) == 3200 * 2
    assert business.frames[1]["start"]["media_format"]["sample_rate"] == "16000"


async def test_a_mark_comes_back_when_what_was_before_it_has_been_played(exotel: Exotel, business: Agent):
    sid = await exotel.call()
    await business.until(event="media")
    await business.speak((await Speaker(None).say("Namaste Priya ji")).pcm)
    await business.say("mark", mark={"name": "turn-1"})
    mark = await business.until(event="mark", mark={"name": "turn-1"})
    before = business.frames[: business.frames.index(mark)]
    at = int(next(frame for frame in reversed(before) if frame["event"] == "media")["media"]["timestamp"]) / 1000
    after = len([frame for frame in before if frame["event"] == "media"]) + 20
    await business.until(event="media", count=after)  # so much silence, and it is known where the speech ended
    await exotel.sandbox.control("POST", f"/exotel/calls/{sid}/hang-up")
    spoken = [each["end"] for each in (await exotel.over(sid))["moments"] if each["who"] == "agent"]
    assert 0 <= at - spoken[-1] + 0.1 < 0.6, (
        "by the call's own time, however fast that goes; a speech ends in some silence"
    )


async def test_clear_forgets_what_was_not_played(exotel: Exotel, business: Agent):
    sid = await exotel.call()
    await business.until(event="media")
    speech = (await Speaker(None).say("Namaste Priya ji, main Asha bol rahi hoon. " * 8)).pcm
    await business.speak(speech)
    await business.until(event="media", count=12)
    await business.say("mark", mark={"name": "never played"})
    await business.say("clear")
    await business.until(event="mark", mark={"name": "never played"})
    count = len(business.frames) + 20
    await business.until(event="media", count=count)
    await exotel.sandbox.control("POST", f"/exotel/calls/{sid}/hang-up")
    call = await exotel.over(sid)
    agents = [each for each in call["moments"] if each["who"] == "agent"]
    assert len(agents) == 1
    assert agents[0]["end"] - agents[0]["at"] < len(speech) / 16000 / 2
    assert any(each["what"].startswith("clear") for each in call["moments"])


async def test_the_contact_hangs_up(exotel: Exotel, business: Agent):
    await script(exotel.sandbox, "{rings_seconds: 0, acts: [{on: answered, do: [{wait: 0.3, hang_up: true}]}]}")
    sid = await exotel.call()
    assert (await business.until(event="stop"))["stop"]["reason"] == "callended"
    assert await business.gone() == 1000
    assert (await exotel.over(sid))["disconnected_by"] == "user"


async def test_the_business_hangs_up(exotel: Exotel, business: Agent):
    sid = await exotel.call()
    await business.until(event="media", count=5)
    assert business.socket is not None
    await business.socket.close()
    call = await exotel.over(sid)
    assert (call["status"], call["disconnected_by"]) == ("completed", "bot")
    assert "stop" not in business.events


async def test_the_time_limit_ends_the_call(exotel: Exotel, business: Agent):
    await exotel.call(TimeLimit="1")
    assert (await business.until(event="stop"))["stop"]["reason"] == "stopped"


async def test_keys_arrive(exotel: Exotel, business: Agent):
    await script(exotel.sandbox, '{rings_seconds: 0, acts: [{on: answered, do: [{press: "12#"}]}]}')
    await exotel.call()
    await business.until(event="dtmf", dtmf={"digit": "#", "duration": "100"})
    assert [frame["dtmf"]["digit"] for frame in business.frames if frame["event"] == "dtmf"] == ["1", "2", "#"]


async def test_what_exotel_would_not_like_is_noted(exotel: Exotel, business: Agent):
    sid = await exotel.call()
    await business.until(event="media")
    await business.speak(silence(100), chunk=1600)
    await business.speak(silence(100), chunk=1600)
    await business.speak(silence(300), chunk=4001)
    await business.speak(silence(7000), chunk=112_000)
    await business.say("dance")
    await business.until(event="media", count=20)
    assert business.socket is not None
    await business.socket.close()
    problems = " ".join((await exotel.over(sid))["problems"])
    for word in ("3200 at least", "multiple of 320", "100000 at most", "'dance'"):
        assert word in problems


async def test_numbers_and_camel_case_on_demand(exotel: Exotel, business: Agent):
    await exotel.sandbox.control("POST", "/exotel/faults", {"numbers": True})
    await exotel.call()
    media = await business.until(event="media")
    assert isinstance(media["sequence_number"], int)
    assert media["streamSid"]
    assert business.frames[1]["start"]["media_format"]["encoding"] == "base64"


async def test_the_line_may_break_off(exotel: Exotel, business: Agent):
    await exotel.sandbox.control("POST", "/exotel/faults", {"drops_after": 0.5})
    sid = await exotel.call()
    assert await business.gone() == 1006
    assert (await exotel.over(sid))["disconnected_by"] == "NA"


async def test_a_business_that_is_not_there_fails_the_call(exotel: Exotel):
    sid = await exotel.call(StreamUrl="ws://127.0.0.1:9/nobody")
    call = await exotel.over(sid)
    assert call["status"] == "failed"
    assert len(call["problems"]) == 2  # one attempt and another
