"""Flux tells turns: their start, an eager guess, its withdrawal, their end; it fails as Deepgram does."""

import pytest
from websockets.exceptions import InvalidStatus

from services.sandbox.voice.sound import silence
from tests.services.sandbox.conftest import Sandbox
from tests.services.sandbox.voice.rig import QUIET, Client, opened, socket_url, teach

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = "Haan ji, kal payment kar dunga."
EAGER = {"model": "flux-general-multi", "encoding": "linear16", "sample_rate": 8000, "eager_eot_threshold": 0.4}
KEY = {"Authorization": "Token key"}


def flux(sandbox: Sandbox, **query: object) -> str:
    return socket_url(sandbox, "stt", "/v2/listen", EAGER | query)


async def turns(client: Client, events: int) -> list[tuple[str, str]]:
    """So many events of turns, without updates."""
    seen: list[tuple[str, str]] = []
    while len(seen) < events:
        frame = await client.until(type="TurnInfo")
        if frame["event"] != "Update":
            seen.append((frame["event"], frame["transcript"]))
    return seen


async def test_a_turn_starts_is_guessed_and_ends(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with opened(flux(sandbox), **KEY) as client:
        assert (await client.next())["type"] == "Connected"
        await client.send(QUIET + said + QUIET)
        (start, _), eager, end = await turns(client, 3)
    assert start == "StartOfTurn"
    assert eager == ("EagerEndOfTurn", WORDS)
    assert end == ("EndOfTurn", WORDS)
    last = client.frames[-1]
    assert (last["trigger"], last["turn_index"]) == ("model", 0)
    assert [word["word"] for word in last["words"]] == WORDS.split()
    assert [frame["sequence_id"] for frame in client.frames] == list(range(len(client.frames)))


async def test_updates_come_while_somebody_speaks_and_only_grow(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(said + QUIET)
        await client.until(event="EndOfTurn")
    updates = [frame["transcript"] for frame in client.frames if frame.get("event") == "Update"]
    assert len(updates) >= 4
    assert all(WORDS.startswith(update) for update in updates)
    assert updates == sorted(updates, key=len)


async def test_a_guess_is_withdrawn_when_the_speaker_goes_on(sandbox: Sandbox):
    first, second = await teach(sandbox, "Haan."), await teach(sandbox, "Kal kar dunga.")
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(first + second + QUIET)  # 240 ms lie between them
        seen = await turns(client, 5)
    assert [event for event, _ in seen] == [
        "StartOfTurn",
        "EagerEndOfTurn",
        "TurnResumed",
        "EagerEndOfTurn",
        "EndOfTurn",
    ]
    assert seen[1][1] == "Haan."
    assert seen[-1][1] == "Haan. Kal kar dunga."


async def test_an_unfinished_sentence_is_waited_for(sandbox: Sandbox):
    said = await teach(sandbox, "Main kal,")
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(said + silence(600))
        await client.say({"type": "Configure", "thresholds": {"eot_threshold": 0.8}})
        await client.until(type="ConfigureSuccess")
        assert "EndOfTurn" not in [frame.get("event") for frame in client.frames]
        await client.send(silence(500))
        assert (await client.until(event="EndOfTurn"))["transcript"] == "Main kal,"


async def test_turns_are_counted(sandbox: Sandbox):
    one, two = await teach(sandbox, "Hello?"), await teach(sandbox, "Kaun?")
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(one + QUIET + two + QUIET)
        ends = [await client.until(event="EndOfTurn") for _ in range(2)]
    assert [(end["turn_index"], end["transcript"]) for end in ends] == [(0, "Hello?"), (1, "Kaun?")]


async def test_noise_is_no_turn(sandbox: Sandbox):
    known = await teach(sandbox, "Hello?")
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(b"\x10\x27\xf0\xd8" * 4000 + QUIET + known + QUIET)
        assert (await client.until(event="EndOfTurn"))["transcript"] == "Hello?"
        assert client.frames[-1]["turn_index"] == 0


async def test_a_client_may_end_the_turn(sandbox: Sandbox):
    said = await teach(sandbox, "Theek hai,")
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(said)
        await client.until(event="StartOfTurn")
        await client.say({"type": "ForceEndTurn"})
        assert (await client.until(event="EndOfTurn"))["trigger"] == "manual"


async def test_keep_alive_is_unknown_to_flux(sandbox: Sandbox):
    async with opened(flux(sandbox), **KEY) as client:
        await client.say({"type": "KeepAlive"})
        await client.until(type="Error")


async def test_it_closes_when_asked(sandbox: Sandbox):
    async with opened(flux(sandbox), **KEY) as client:
        await client.say({"type": "CloseStream"})
        assert await client.rest() == 1000


@pytest.mark.parametrize(
    "query", [{"model": "nova-3"}, {"language": "hi"}, {"eager_eot_threshold": 0.9}, {"encoding": "flac"}]
)
async def test_what_flux_does_not_know_is_refused(sandbox: Sandbox, query: dict[str, object]):
    with pytest.raises(InvalidStatus) as refused:
        async with opened(flux(sandbox, **query), **KEY):
            pass
    assert refused.value.response.status_code == 400


async def test_without_a_key_nobody_is_let_in(sandbox: Sandbox):
    with pytest.raises(InvalidStatus) as refused:
        async with opened(flux(sandbox)):
            pass
    assert refused.value.response.status_code == 401


async def test_the_handshake_is_refused_on_demand_once(sandbox: Sandbox):
    await sandbox.control("POST", "/deepgram/live/faults", {"refuse": 429, "retry_after": 2})
    with pytest.raises(InvalidStatus) as refused:
        async with opened(flux(sandbox), **KEY):
            pass
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["retry-after"] == "2"
    async with opened(flux(sandbox), **KEY) as client:
        await client.until(type="Connected")


@pytest.mark.parametrize(
    ("fault", "code"),
    [({"drops": True}, 1006), ({"closes": 1011, "reason": "NET-0000"}, 1011), ({"closes": 1008}, 1008)],
)
async def test_an_open_socket_breaks_off_on_demand(sandbox: Sandbox, fault: dict[str, object], code: int):
    said = await teach(sandbox, WORDS)
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(said[:8000])
        await client.until(event="StartOfTurn")
        await sandbox.control("POST", "/deepgram/live/faults", {"open": True, **fault})
        assert await client.rest() == code


async def test_a_fault_waits_for_words_that_are_heard_and_then_nobody_is_let_in(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    await sandbox.control("POST", "/deepgram/live/faults", {"when": WORDS.split()[0], "refuse": 429, "refusals": 1})
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(said + QUIET)
        assert await client.rest() == 1006
    with pytest.raises(InvalidStatus) as refused:
        async with opened(flux(sandbox), **KEY):
            pass
    assert refused.value.response.status_code == 429
    async with opened(flux(sandbox), **KEY) as client:
        await client.until(type="Connected")


async def test_a_mute_socket_stays_open_and_says_nothing(sandbox: Sandbox):
    said = await teach(sandbox, WORDS)
    async with opened(flux(sandbox), **KEY) as client:
        await client.until(type="Connected")
        await sandbox.control("POST", "/deepgram/live/faults", {"open": True, "mute": True})
        await client.send(said + QUIET)
        await client.say({"type": "CloseStream"})
        assert await client.rest() == 1000
        assert len(client.frames) == 1


async def test_a_fatal_error_is_told_before_the_end(sandbox: Sandbox):
    async with opened(flux(sandbox), **KEY) as client:
        await sandbox.control("POST", "/deepgram/live/faults", {"open": True, "fails": 500})
        await client.send(QUIET)
        assert (await client.until(type="Error"))["code"] == "INTERNAL_SERVER_ERROR"
        assert await client.rest() == 1011


async def test_the_end_comes_between_blocks_by_the_clock(sandbox: Sandbox):
    """A real phone sends 100 ms every 100 ms; the 260 ms are over between two blocks."""
    await sandbox.control("PUT", "/deepgram/live/pace", {"eager_ms": 10, "end_of_turn_ms": 150})
    said = await teach(sandbox, "Hello?")
    async with opened(flux(sandbox), **KEY) as client:
        await client.send(said.rstrip(b"\0").ljust(16000, b"\0")[:16000] + silence(100))
        assert (await client.until(event="EndOfTurn"))["transcript"] == "Hello?"
