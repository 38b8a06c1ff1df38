"""Deepgram's own SDK listens live: interim results, finals, the endpoint, UtteranceEnd, Finalize, and its closes."""

import bisect
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from websockets.exceptions import ConnectionClosedError

from services.sandbox.app import base_urls
from services.sandbox.voice.sound import mu_law as expanded
from services.sandbox.voice.sound import samples, silence
from tests.services.sandbox.conftest import Sandbox
from tests.services.sandbox.voice.rig import QUIET, teach

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = "Haan ji, kal payment kar dunga."


@contextlib.asynccontextmanager
async def listening(sandbox: Sandbox, **more: Any) -> AsyncIterator[Any]:
    """A live connection of the SDK, as Pipecat's Nova service opens it."""
    url = base_urls(sandbox.origin)["stt"]
    socket = url.replace("http", "ws", 1)
    where = DeepgramClientEnvironment(base=url, production=socket, agent=socket, agent_rest=url)
    client = AsyncDeepgramClient(api_key="key", environment=where)
    settings = {"model": "nova-3", "encoding": "linear16", "sample_rate": 8000, "language": "multi", "endpointing": 300}
    async with client.listen.v1.connect(**(settings | {"interim_results": "true"} | more)) as connection:
        yield connection


async def send(connection: Any, audio: bytes) -> None:
    for start in range(0, len(audio), 1600):
        await connection.send_media(audio[start : start + 1600])


async def until(connection: Any, **expected: Any) -> list[Any]:
    """The messages up to the one with these values."""
    seen = []
    async for message in connection:
        seen.append(message)
        if all(getattr(message, name, None) == value for name, value in expected.items()):
            break
    return seen


def text(message: Any) -> str:
    return str(message.channel.alternatives[0].transcript)


async def test_interim_results_grow_into_a_final_at_the_endpoint(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with listening(sandbox) as connection:
        await send(connection, said + QUIET)
        *interim, final = await until(connection, speech_final=True)
    assert text(final) == WORDS
    assert final.is_final
    assert len(interim) >= 4
    assert all(WORDS.startswith(text(each)) and not each.is_final for each in interim)
    assert final.channel.alternatives[0].languages == ["hi"]
    assert final.channel.alternatives[0].words[0].punctuated_word == "Haan"


async def test_a_short_endpoint_ends_at_each_pause_and_says_no_word_twice(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with listening(sandbox, endpointing=10) as connection:
        await send(connection, said + QUIET)
        await connection.send_close_stream()
        finals = [text(each) for each in await until(connection, type="Metadata") if getattr(each, "is_final", False)]
    assert " ".join(filter(None, finals)) == WORDS


async def test_an_utterance_ends_after_its_own_silence(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with listening(sandbox, endpointing="false", utterance_end_ms=1000, vad_events="true") as connection:
        await send(connection, said + silence(1400))
        seen = await until(connection, type="UtteranceEnd")
    assert seen[0].type == "SpeechStarted"
    assert 1.5 < seen[-1].last_word_end < 4
    assert [text(each) for each in seen if getattr(each, "is_final", False)] == [WORDS]


async def test_finalize_answers_at_once(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with listening(sandbox, endpointing="false") as connection:
        await send(connection, said)
        await connection.send_finalize()
        final = (await until(connection, from_finalize=True))[-1]
        assert (text(final), final.is_final, final.speech_final) == (WORDS, True, False)


async def test_a_closed_stream_ends_with_metadata(sandbox: Sandbox):
    async with listening(sandbox) as connection:
        await send(connection, QUIET)
        await connection.send_close_stream()
        seen = await until(connection, type="Metadata")
        assert seen[-1].duration == 1.0


async def test_silence_of_the_client_ends_the_stream(sandbox: Sandbox):
    await sandbox.control("PUT", "/deepgram/live/pace", {"silent_close_ms": 30})
    async with listening(sandbox) as connection:
        with pytest.raises(ConnectionClosedError) as closed:
            await until(connection, type="never")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "NET-0001")


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"model": "flux-general-en"}, 400),
        ({"keywords": "Tally:2"}, 400),
        ({"utterance_end_ms": 500}, 400),
        ({"sample_rate": 8001}, 400),
    ],
)
async def test_what_nova_does_not_know_is_refused(sandbox: Sandbox, wrong: dict[str, Any], status: int):
    with pytest.raises(ApiError) as refused:
        async with listening(sandbox, **wrong):
            pass
    assert refused.value.status_code == status


async def test_a_handshake_is_refused_on_demand(sandbox: Sandbox):
    await sandbox.control("POST", "/deepgram/live/faults", [{"refuse": 429, "on": "v1"}, {"refuse": 503, "on": "v2"}])
    with pytest.raises(ApiError) as refused:
        async with listening(sandbox):
            pass
    assert refused.value.status_code == 429
    async with listening(sandbox):
        pass


async def test_mu_law_of_a_trunk_is_understood(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with listening(sandbox, encoding="mulaw") as connection:
        await send(connection, mu_law(said + QUIET))
        assert text((await until(connection, speech_final=True))[-1]) == WORDS


def mu_law(pcm: bytes) -> bytes:
    """PCM as G.711 mu-law, by the nearest level."""
    levels = sorted(zip(samples(expanded(bytes(range(256)))), range(256), strict=True))
    values = [level for level, _ in levels]

    def code(value: int) -> int:
        above = min(bisect.bisect_left(values, value), len(values) - 1)
        near = above if above == 0 or values[above] - value < value - values[above - 1] else above - 1
        return levels[near][1]

    known = {value: code(value) for value in set(samples(pcm))}
    return bytes(known[value] for value in samples(pcm))
