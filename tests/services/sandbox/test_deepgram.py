"""Deepgram's own SDK talks to the emulator, which hears what it was taught and fails as Deepgram does."""

import base64
import hashlib

import httpx
import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

from services.sandbox.app import base_urls
from services.sandbox.settings import Settings
from tests.services.sandbox.conftest import Sandbox

NOTE = b"OggS a voice note"
WORDS = "Haan ji, kal payment kar dunga"


@pytest.fixture
def needed() -> tuple[str, ...]:
    return ("meta", "deepgram")


def sdk(sandbox: Sandbox, key: str = "key") -> AsyncDeepgramClient:
    url = base_urls(sandbox.origin)["stt"]
    where = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    return AsyncDeepgramClient(api_key=key, environment=where, httpx_client=sandbox.client)


async def hear(sandbox: Sandbox, audio: bytes = NOTE, key: str = "key") -> str:
    answer = await sdk(sandbox, key).listen.v1.media.transcribe_file(
        request=audio, model="nova-3", language="multi", request_options={"max_retries": 0, "timeout_in_seconds": 1}
    )
    return answer.results.channels[0].alternatives[0].transcript or ""


async def teach(sandbox: Sandbox) -> None:
    body = {"transcript": WORDS, "audio": base64.b64encode(NOTE).decode()}
    assert await sandbox.control("PUT", "/deepgram/utterances", body) == {"sha256": [hashlib.sha256(NOTE).hexdigest()]}


async def test_what_was_taught_is_heard(sandbox: Sandbox):
    await teach(sandbox)
    assert await hear(sandbox) == WORDS
    [request] = await sandbox.control("GET", "/deepgram/requests")
    assert (request["bytes"], request["transcript"]) == (len(NOTE), WORDS)
    assert request["query"]["language"] == "multi"


async def test_an_audio_that_nobody_taught_is_silence(sandbox: Sandbox):
    await teach(sandbox)
    assert await hear(sandbox, b"another") == ""


@pytest.mark.parametrize("status", [400, 402, 429, 503])
async def test_a_refusal_on_demand_is_deepgrams(sandbox: Sandbox, status: int):
    await teach(sandbox)
    await sandbox.control("POST", "/deepgram/faults", {"refuse": status, "retry_after": 3})
    with pytest.raises(ApiError) as refused:
        await hear(sandbox)
    assert refused.value.status_code == status
    assert refused.value.body["err_code"]
    assert await hear(sandbox) == WORDS


async def test_an_empty_audio_cannot_be_processed(sandbox: Sandbox):
    with pytest.raises(ApiError) as refused:
        await hear(sandbox, b"")
    assert refused.value.status_code == 400


async def test_an_answer_may_never_come(sandbox: Sandbox):
    await sandbox.control("POST", "/deepgram/faults", {"answer": "hung"})
    with pytest.raises(httpx.ReadTimeout):
        await hear(sandbox)


@pytest.mark.parametrize("body", [{"transcript": "x"}, {"transcript": "x", "audio": "no base64!"}])
async def test_an_utterance_names_its_audio(sandbox: Sandbox, body: dict[str, str]):
    answer = await sandbox.client.put("/_sandbox/deepgram/utterances", json=body)
    assert answer.status_code == 422


class TestWithAKey:
    """The emulator of somebody who has a key."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(stt_api_key="right")

    async def test_another_key_is_refused(self, sandbox: Sandbox):
        assert await hear(sandbox, key="right") == ""
        with pytest.raises(ApiError) as refused:
            await hear(sandbox, key="wrong")
        assert refused.value.status_code == 401
