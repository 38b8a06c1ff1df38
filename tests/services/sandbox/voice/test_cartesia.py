"""Cartesia speaks contexts as Pipecat and the SDK ask for them, cancels them, and fails as it does."""

import base64
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from services.sandbox.app import base_urls
from tests.services.sandbox.conftest import Sandbox
from tests.services.sandbox.voice.rig import Client, opened, socket_url

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIPECAT = {"X-API-Key": "key", "Cartesia-Version": "2026-03-01"}
TEXT = "Namaste Priya ji, aapka invoice baaki hai. Kab denge?"


def url(sandbox: Sandbox) -> str:
    return socket_url(sandbox, "tts", "/tts/websocket")


def said(text: str, context: str = "t1", /, **more: Any) -> dict[str, Any]:
    """The message that Pipecat 1.14 builds for a text."""
    return {
        "transcript": text,
        "continue": True,
        "context_id": context,
        "model_id": "sonic-3.5",
        "voice": {"mode": "id", "id": "voice-1"},
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
        "add_timestamps": True,
        "use_normalized_timestamps": False,
        "max_buffer_delay_ms": 0,
        "language": "hi",
        **more,
    }


def last(context: str = "t1") -> dict[str, Any]:
    return said("", context, **{"continue": False})


def audio(client: Client, context: str = "t1") -> bytes:
    chunks = [frame for frame in client.frames if frame["type"] == "chunk" and frame["context_id"] == context]
    return b"".join(base64.b64decode(chunk["data"]) for chunk in chunks)


async def test_a_text_is_spoken_with_its_words_in_time(sandbox: Sandbox):
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said(TEXT))
        await client.say(last())
        assert (await client.until(type="done"))["status_code"] == 200
    [words] = [frame["word_timestamps"] for frame in client.frames if frame["type"] == "timestamps"]
    assert words["words"] == TEXT.split()
    assert words["start"] == sorted(words["start"])
    assert len(audio(client)) / 16000 == pytest.approx(words["end"][-1], abs=0.3)
    assert 2.0 < words["end"][-1] < 6.0


async def test_texts_of_a_context_follow_each_other(sandbox: Sandbox):
    async with opened(url(sandbox), **PIPECAT) as client:
        for text in ("Haan ", "ji, ", "bilkul."):
            await client.say(said(text))
        await client.say(last())
        await client.until(type="done")
    words = [frame["word_timestamps"] for frame in client.frames if frame["type"] == "timestamps"]
    assert [each["words"] for each in words] == [["Haan"], ["ji,"], ["bilkul."]]
    starts = [each["start"][0] for each in words]
    assert starts == sorted(starts)
    assert starts[1] > 0


async def test_text_waits_for_the_end_of_a_sentence_where_it_may(sandbox: Sandbox):
    patient: dict[str, Any] = {"max_buffer_delay_ms": 5000}
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said("Theek ", **patient))
        await client.say(said("hai. Aur", **patient))
        assert (await client.until(type="timestamps"))["word_timestamps"]["words"] == ["Theek", "hai."]
        await client.say(said("", flush=True, **patient))
        await client.until(type="flush_done")
    spoken = [frame["word_timestamps"]["words"] for frame in client.frames if frame["type"] == "timestamps"]
    assert spoken == [["Theek", "hai."], ["Aur"]]


async def test_what_waits_is_spoken_when_its_time_is_over(sandbox: Sandbox):
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said("Theek", max_buffer_delay_ms=20))
        assert (await client.until(type="timestamps"))["word_timestamps"]["words"] == ["Theek"]


async def test_a_cancelled_context_is_silent_and_another_one_speaks(sandbox: Sandbox):
    await sandbox.control("PUT", "/cartesia/pace", {"first_byte_ms": 0, "real_time_factor": 5})
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said(TEXT))
        await client.until(type="chunk")
        await client.say({"context_id": "t1", "cancel": True})
        await client.say(said("Ji?", "t2"))
        await client.say(last("t2"))
        await client.until(type="done", context_id="t2")
    assert 0 < len(audio(client)) < 3 * 16000
    assert "done" not in [frame["type"] for frame in client.frames if frame["context_id"] == "t1"]
    ends = {each["context"]: each["end"] for each in await sandbox.control("GET", "/cartesia/spoken")}
    assert ends == {"t1": "cancelled", "t2": "done"}


async def test_the_voice_stays_the_same_in_a_context(sandbox: Sandbox):
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said("Ek."))
        await client.say(said("Do.", voice={"mode": "id", "id": "voice-2"}))
        assert (await client.until(type="error"))["status_code"] == 400


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"model_id": "parrot-1"}, 404),
        ({"voice": None}, 400),
        ({"output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 8001}}, 400),
    ],
)
async def test_a_wrong_request_is_an_error_of_its_context_only(sandbox: Sandbox, wrong: dict[str, Any], status: int):
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said("Ek.", "bad", **wrong))
        error = await client.until(type="error")
        assert (error["status_code"], error["context_id"], error["done"]) == (status, "bad", True)
        await client.say(said("Do."))
        await client.say(last())
        await client.until(type="done")


@pytest.mark.parametrize("status", [402, 429, 500])
async def test_a_context_fails_on_demand(sandbox: Sandbox, status: int):
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said("Ek.", "t0"))
        await client.until(type="chunk")
        await sandbox.control("POST", "/cartesia/faults", {"open": True, "fails": status})
        await client.say(said("Do."))
        assert (await client.until(type="error"))["status_code"] == status
        await client.say(said("Teen.", "t2"))
        await client.until(type="chunk", context_id="t2")


async def test_it_may_be_mute_in_mid_call(sandbox: Sandbox):
    async with opened(url(sandbox), **PIPECAT) as client:
        await sandbox.control("POST", "/cartesia/faults", {"open": True, "mute": True})
        await client.say(said(TEXT))
        await client.say(last())
        await sandbox.control("POST", "/cartesia/faults", {"open": True, "closes": 1000})
        assert await client.rest() == 1000
    assert client.frames == []


async def test_a_fault_waits_for_words_and_befalls_the_socket_that_speaks_them(sandbox: Sandbox):
    fault = {"when": r"kab\s+denge", "drops": True}
    async with opened(url(sandbox), **PIPECAT) as other, opened(url(sandbox), **PIPECAT) as client:
        assert (await sandbox.control("POST", "/cartesia/faults", fault))["waiting"] == 1
        await other.say(said("Namaste."))
        await other.say(last())
        await other.until(type="done")
        await client.say(said("Aap kab "))
        await client.say(said("denge?"))
        assert await client.rest() == 1006
    assert (await sandbox.control("POST", "/cartesia/faults", []))["waiting"] == 0


async def test_the_handshake_is_refused(sandbox: Sandbox):
    await sandbox.control("POST", "/cartesia/faults", {"refuse": 429})
    for headers, status in ((PIPECAT, 429), ({"Cartesia-Version": "x"}, 401), ({"X-API-Key": "key"}, 400)):
        with pytest.raises(InvalidStatus) as refused:
            async with opened(url(sandbox), **headers):
                pass
        assert refused.value.response.status_code == status


async def test_bytes_are_the_whole_speech_at_once(sandbox: Sandbox):
    body = {
        "model_id": "sonic-3.5",
        "transcript": TEXT,
        "voice": {"mode": "id", "id": "voice-1"},
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
    }
    sdk = {"authorization": "Bearer key", "cartesia-version": "2026-08-14"}
    path = base_urls(sandbox.origin)["tts"] + "/tts/bytes"
    answer = await sandbox.client.post(path, json=body, headers=sdk)
    async with opened(url(sandbox), **PIPECAT) as client:
        await client.say(said(TEXT))
        await client.say(last())
        await client.until(type="done")
    assert answer.content == audio(client)
    await sandbox.control("POST", "/cartesia/faults", {"fails": 402})
    refused = await sandbox.client.post(path, json=body, headers=sdk)
    assert (refused.status_code, refused.json()["error_code"]) == (402, "quota_exceeded")
