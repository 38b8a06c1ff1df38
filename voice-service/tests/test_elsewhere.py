"""Calls whose media run in another runtime: our engine answers by words, each turn once, and tells the same facts."""

import asyncio
from typing import Any

import pytest
from media_runtime import MediaRuntime
from voice_world import Voice, published, until

from events.call import Answered, Dialled, Ended, Summarised, ToolCalled, TurnTaken
from events.phone import CallGuided
from libs.testkit.nouns import PRIYA_PHONE
from voice_service import guidance

LINES = ["Haan ji, boliye.", "20 February tak payment kar denge.", "Theek hai, bye."]


async def test_another_runtime_asks_turn_by_turn_and_the_facts_are_as_of_our_own_calls(voice: Voice):
    async with MediaRuntime([voice.origin], voice.client, LINES, copies=3) as runtime:
        await published(voice.store, voice.clock, f"voice: {{telephony: {{media_url: '{runtime.url}'}}}}\n")
        intent = await voice.call()
        [ended] = await voice.until(intent, Ended)
        [talk] = runtime.talks.values()
        await until(lambda: _is(talk.ended is not None))
    assert talk.problems == []
    assert talk.call == str(intent.id)
    opening, greeting, promise, goodbye = await voice.told(intent, TurnTaken)
    assert (opening.turn, opening.contact, opening.agent) == (0, "", intent.event.opening)
    assert [each.contact for each in (greeting, promise, goodbye)] == LINES
    assert [each.agent for each in (greeting, promise, goodbye)] == [talk.replies[n]["say"] for n in (1, 2, 3)]
    assert "20 February" in promise.agent
    assert promise.latency_ms == {"stt": 100, "tts": 90}
    assert talk.replies[2]["tools"] == ["report_intent"]
    assert talk.replies[3]["end_call"]
    [report, end] = await voice.told(intent, ToolCalled)
    assert (report.turn, report.tool, report.inputs["intent"]) == (2, "report_intent", "promise_to_pay")
    assert (end.turn, end.tool) == (3, "end_call")
    assert (ended.reason, ended.seconds, ended.turns) == ("completed", 42, 3)
    assert [each.summary for each in await voice.told(intent, Summarised)] == ["They will pay."]
    assert len(await voice.told(intent, Dialled)) == len(await voice.told(intent, Answered)) == 1
    assert (await voice.client.get(f"{voice.origin}/api/v1/voice/calls")).json()["active_calls"] == 0


@pytest.mark.parametrize(("status", "heard"), [("done", "bhej diya hai"), ("failed", "nahi ho paya")])
async def test_what_came_of_a_tool_is_told_before_the_answer(
    voice: Voice, status: str, heard: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guidance, "PATIENCE_S", 20)
    await published(voice.store, voice.clock, "voice: {telephony: {media_url: 'ws://127.0.0.1:9/nobody'}}\n")
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 25})
    intent = await voice.call()

    async def orchestrates() -> None:
        [asked] = await voice.until(intent, ToolCalled)
        assert (asked.tool, asked.said) == ("send_on_channel", "Mujhe invoice WhatsApp pe bhej do.")
        answers = {str(asked.number): {"status": status}}
        guided = CallGuided(call=str(intent.id), instructions="Go on.", channels=["whatsapp"], answers=answers)
        await voice.happens(guided)

    orchestrating = asyncio.create_task(orchestrates())
    said = {"call_id": str(intent.id), "turn": 1, "speaker": "contact", "text": "Mujhe invoice WhatsApp pe bhej do."}

    async def known() -> dict[str, Any]:
        answer = await voice.client.post(f"{voice.origin}/api/v1/voice/transcript", json=said, timeout=30)
        return answer.json() if answer.status_code == 200 else {}

    reply = await until(known)
    await orchestrating
    assert heard in reply["say"]
    assert reply["tools"] == ["send_on_channel"]


async def test_what_a_runtime_may_not_say_is_a_problem_that_tells_why(voice: Voice):
    await published(voice.store, voice.clock, "voice: {telephony: {media_url: 'ws://127.0.0.1:9/nobody'}}\n")
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 25})
    intent = await voice.call()
    await voice.until(intent, Dialled)
    said = {"call_id": str(intent.id), "turn": 1, "speaker": "contact", "text": "Haan ji."}

    async def post(path: str, body: dict[str, object]) -> tuple[int, str]:
        answer = await voice.client.post(f"{voice.origin}/api/v1/voice/{path}", json=body, timeout=30)
        return answer.status_code, answer.json().get("title", "")

    nobody = "00000000-0000-0000-0000-000000000000"
    assert await post("transcript", said | {"call_id": nobody}) == (404, "There is no such call")
    assert (await post("transcript", said | {"speaker": "somebody"}))[0] == 422
    early, spoken = await asyncio.gather(
        post("transcript", said), post("transcript", said | {"turn": 2, "speaker": "agent", "text": "Namaste."})
    )
    assert (early[0], spoken[0]) == (200, 200)
    assert await post("transcript", said | {"text": "Nahi."}) == (422, "Another text")
    end = {"call_id": str(intent.id), "reason": "contact_hung_up", "duration_s": 5}
    assert (await post("call-ended", end))[0] == (await post("call-ended", end))[0] == 200
    assert (await post("call-ended", end | {"reason": "bored"}))[0] == 422
    [ended] = await voice.until(intent, Ended)
    assert (ended.reason, ended.turns) == ("contact_hung_up", 1)

    assert await post("transcript", said | {"turn": 7}) == (409, "The call is over")
    assert (await post("transcript", said))[0] == 200, "what was answered is answered again"
    assert len(await voice.told(intent, TurnTaken)) == 2


async def _is(true: bool) -> bool:
    return true
