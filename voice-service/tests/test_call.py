"""Calls over Exotel as it may misbehave: each dialled once, and told fact by fact. What every carrier keeps: test_telephony.py."""

import asyncio
import json

from voice_world import Voice, until
from websockets.asyncio.client import connect

from events.call import Answered, Dialled, Ended, OutcomeUnknown, Ringing
from libs.testkit.nouns import PRIYA_PHONE

TALKS_ON = [{"on": "heard", "once": False, "do": [{"wait": 1.0, "say": "Haan ji, main sun rahi hoon."}]}]
HANGS_UP = [{"on": "answered", "do": [{"wait": 0.2, "hang_up": True}]}]


async def test_a_lost_answer_rings_once_and_what_comes_of_it_is_known(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": HANGS_UP, "deaf": True})
    await voice.control("POST", "/exotel/faults", {"answer": "dropped", "silent": True})
    intent = await voice.call()
    await voice.until(intent, OutcomeUnknown)
    [ended] = await voice.until(intent, Ended)
    assert ended.reason == "contact_hung_up"

    async def settled() -> bool:
        found: str = await voice.store.pool.fetchval("SELECT state FROM voice.effect WHERE id = $1", intent.id)
        return found == "closed"

    await until(settled)
    assert len(await voice.placed()) == 1


async def test_callbacks_that_come_twice_late_and_short_change_nothing(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": HANGS_UP, "deaf": True})
    await voice.control("POST", "/exotel/faults", {"copies": 3, "backwards": True, "form": "multipart"})
    intent = await voice.call()
    await voice.until(intent, Ended)

    async def all_taken() -> bool:
        told = await voice.control("GET", "/exotel/callbacks")
        return len(told) == 9 and all(each["status"] == 200 for each in told)

    await until(all_taken)
    for kind in (Ringing, Answered, Ended):
        assert len(await voice.told(intent, kind)) == 1


async def test_who_does_not_answer_is_known_by_the_poll_when_no_callback_comes(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"fate": "busy", "rings_seconds": 0.1})
    await voice.control("POST", "/exotel/faults", {"silent": True})
    intent = await voice.call()
    [ended] = await voice.until(intent, Ended)
    assert (ended.reason, ended.seconds) == ("busy", 0)
    assert await voice.told(intent, Answered) == []


async def test_one_number_in_two_records_is_called_for_one_and_then_for_the_other(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"fate": "busy", "rings_seconds": 1})
    intents = [await voice.call(), await voice.call(conversation="conversation-2", contact="c_twin")]
    for intent in intents:
        await voice.until(intent, Ended)
    log = [fact for fact in await voice.store.read_log(0, 0, 1000) if isinstance(fact.event, Dialled | Ended)]
    assert [type(fact.event) for fact in log] == [Dialled, Ended, Dialled, Ended]
    assert [fact.subject_id for fact in log[::2]] == [fact.subject_id for fact in log[1::2]]
    assert len(await voice.placed()) == 2


async def test_a_callback_with_a_wrong_secret_is_refused(voice: Voice, secret: str):
    told = {"CallSid": "x", "Status": "completed"}
    wrong, right = await asyncio.gather(
        voice.client.post(f"{voice.origin}/api/v1/voice/status/nobody", json=told),
        voice.client.post(f"{voice.origin}/api/v1/voice/status/{secret}", json=told),
    )
    assert (wrong.status_code, right.status_code) == (401, 200)
    calls = (await voice.client.get(f"{voice.origin}/api/v1/voice/calls")).json()
    assert calls == {
        "active_calls": 0,
        "calls": [],
        "latency": {},
        "hints": [],
        "degraded": False,
        "rupees_per_minute": {},
    }


async def test_a_stream_of_a_call_that_somebody_holds_or_of_nobodys_is_closed(voice: Voice, secret: str):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": TALKS_ON, "deaf": True})
    intent = await voice.call()
    await voice.held(intent)
    url = f"{voice.origin.replace('http', 'ws', 1)}/api/v1/voice/media/w/default/{secret}"

    async def opened(call: str) -> int:
        """The close code of a stream that says it is this call's."""
        async with connect(f"{url}?call={call}") as socket:
            start = {"call_sid": "another", "custom_parameters": {"call": call}}
            for frame in (
                {"event": "connected"},
                {"event": "start", "stream_sid": "MZ2", "start": {"stream_sid": "MZ2", **start}},
            ):
                await socket.send(json.dumps(frame))
            await socket.wait_closed()
            return socket.close_code or 0

    assert await opened(str(intent.id)) == await opened("00000000-0000-0000-0000-000000000000") == 1008
    [placed] = await voice.placed()
    await voice.control("POST", f"/exotel/calls/{placed['sid']}/hang-up")
    [ended] = await voice.until(intent, Ended)
    assert ended.reason == "contact_hung_up", "the first stream went on"
