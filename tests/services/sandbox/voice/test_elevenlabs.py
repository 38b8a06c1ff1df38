"""ElevenLabs speaks contexts as Pipecat asks for them, aligned by character, and closes as it does."""

import base64
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.services.sandbox.conftest import Sandbox
from tests.services.sandbox.voice.rig import Client, opened, socket_url

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = {"xi-api-key": "key"}
TEXT = "Namaste Priya ji. "


def url(sandbox: Sandbox, path: str = "multi-stream-input", **query: Any) -> str:
    known = {"model_id": "eleven_flash_v2_5", "output_format": "pcm_8000", "auto_mode": "true"}
    return socket_url(sandbox, "tts_elevenlabs", f"/v1/text-to-speech/asha/{path}", known | query)


async def say(client: Client, text: str, context: str = "t1") -> None:
    """A context as Pipecat opens it, and its text."""
    await client.say({"text": " ", "context_id": context, "voice_settings": {"stability": 0.5}})
    await client.say({"text": text, "context_id": context})


async def test_a_context_is_spoken_and_ends_when_it_is_closed(sandbox: Sandbox):
    async with opened(url(sandbox), **KEY) as client:
        await say(client, TEXT)
        await client.say({"context_id": "t1", "flush": True})
        await client.say({"context_id": "t1", "close_context": True})
        await client.until(isFinal=True, contextId="t1")
    audio = b"".join(base64.b64decode(frame["audio"]) for frame in client.frames if frame.get("audio"))
    aligned = client.frames[0]["normalizedAlignment"]
    assert "".join(aligned["chars"]) == TEXT
    assert aligned["charStartTimesMs"] == sorted(aligned["charStartTimesMs"])
    assert len(audio) / 16 == pytest.approx(aligned["charStartTimesMs"][-1], abs=300)


async def test_without_auto_mode_text_waits_for_a_flush(sandbox: Sandbox):
    async with opened(url(sandbox, auto_mode="false"), **KEY) as client:
        await say(client, "Haan ")
        await client.say({"text": "ji", "context_id": "t1"})
        await client.say({"context_id": "t1", "flush": True})
        assert "".join((await client.next())["alignment"]["chars"]).split() == ["Haan", "ji"]


async def test_several_contexts_speak_on_one_socket(sandbox: Sandbox):
    async with opened(url(sandbox), **KEY) as client:
        for context in ("t1", "t2"):
            await say(client, TEXT, context)
            await client.say({"context_id": context, "close_context": True})
        for context in ("t1", "t2"):
            if not any(frame.get("isFinal") and frame["contextId"] == context for frame in client.frames):
                await client.until(isFinal=True, contextId=context)


async def test_keep_alive_opens_no_context(sandbox: Sandbox):
    async with opened(url(sandbox), **KEY) as client:
        await client.say({"text": ""})
        await say(client, TEXT)
        assert (await client.next())["contextId"] == "t1"


@pytest.mark.parametrize(
    "messages",
    [
        [{"text": "", "context_id": "t1"}, {"text": " ", "context_id": "t1", "voice_settings": {}}],
        [{"text": " ", "context_id": f"t{n}"} for n in range(6)],
        [{"text": "no context"}],
    ],
)
async def test_a_violation_ends_the_socket(sandbox: Sandbox, messages: list[dict[str, Any]]):
    async with opened(url(sandbox), **KEY) as client:
        for message in messages:
            await client.say(message)
        assert await client.rest() == 1008
    assert client.frames[-1]["error"]


async def test_nothing_for_too_long_ends_the_socket(sandbox: Sandbox):
    async with opened(url(sandbox, inactivity_timeout=0.01), **KEY) as client:
        assert await client.rest() == 1008


async def test_one_context_is_ended_by_an_empty_text(sandbox: Sandbox):
    async with opened(url(sandbox, "stream-input"), **KEY) as client:
        for text in (" ", TEXT, ""):
            await client.say({"text": text})
        await client.until(isFinal=True)
        assert await client.rest() == 1000
    assert "contextId" not in client.frames[0]


async def test_it_closes_when_asked(sandbox: Sandbox):
    async with opened(url(sandbox), **KEY) as client:
        await client.say({"close_socket": True})
        assert await client.rest() == 1000


@pytest.mark.parametrize("status", [401, 429])
async def test_the_handshake_is_refused(sandbox: Sandbox, status: int):
    await sandbox.control("POST", "/elevenlabs/faults", {"refuse": status})
    with pytest.raises(InvalidStatus) as refused:
        async with opened(url(sandbox), **KEY):
            pass
    assert refused.value.response.status_code == status


async def test_the_quota_ends_in_mid_call(sandbox: Sandbox):
    async with opened(url(sandbox), **KEY) as client:
        await say(client, TEXT)
        await client.next()
        await sandbox.control("POST", "/elevenlabs/faults", {"open": True, "fails": 402})
        await client.say({"text": "more", "context_id": "t1"})
        assert await client.rest() == 1008
    assert client.frames[-1]["error"] == "quota_exceeded"
