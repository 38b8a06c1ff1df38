"""Calls over a SIP trunk, against sipp and the C baresip as peers: what is dialled, answered, heard, refused and given up."""

import asyncio
import hashlib
import math
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from baresip import Call
from sip_peers import needs_baresip, needs_sipp, phone, sipp

from libs.channels.exotel import Status
from libs.channels.outcome import Accepted
from libs.kit.clock import Clock
from libs.kit.embedded_process import free_port
from libs.testkit.nouns import PRIYA_PHONE
from voice_service.sip import BadTrunk, SipTrunk, Stack, Trunk, closing, hang_up

CALLER = "+918047491899"


class Told:
    """What was told of a call, in order, and how long its conversation lasted."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.lines: list[Call] = []
        self._over = asyncio.Event()
        self.talking = asyncio.Event()

    async def __call__(self, status: Status) -> None:
        self.states.append(status.state)
        if status.state in ("completed", "busy", "no_answer", "failed"):
            self._over.set()

    async def over(self) -> None:
        await asyncio.wait_for(self._over.wait(), 30)


@pytest.fixture
def stack_port() -> int:
    return free_port()


@pytest.fixture
async def trunk(clock: Clock, stack_port: int) -> AsyncIterator[SipTrunk]:
    found = SipTrunk(Stack(interface="127.0.0.1", listen=f"127.0.0.1:{stack_port}", rtp_ports=(15000, 16998)), clock)
    await found.start()
    yield found
    await found.close()


async def dial(trunk: SipTrunk, at: Trunk, told: Told, *, ring_seconds: float = 20, talk_s: float | None = 0.3) -> None:
    async def talks(line: Call, ref: str) -> None:
        told.lines.append(line)
        told.talking.set()
        if talk_s is not None:
            await asyncio.sleep(talk_s)

    taken = await trunk.dial(
        at, call="call-1", to=PRIYA_PHONE, caller_id=CALLER, told=told, talks=talks, ring_seconds=ring_seconds
    )
    assert taken == Accepted("call-1")
    await told.over()


def assert_digest(given: dict[str, str], password: str) -> None:
    """The answer to a challenge, computed once more by RFC 2617."""
    known = f"{given['username']}:{given['realm']}:{password}"
    what = f"INVITE:{given['uri']}"
    rest = ":".join((given["nonce"], given["nc"], given["cnonce"], given["qop"], md5(what)))
    assert given["username"] == "converse"
    assert given["response"] == md5(f"{md5(known)}:{rest}")


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@needs_sipp
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_trunk_that_asks_who_we_are_is_answered_and_our_goodbye_is_taken(
    trunk: SipTrunk, transport: str, tmp_path: Path
):
    told = Told()
    async with sipp("digest", transport) as address:
        await dial(trunk, Trunk.at(address, user="converse", password="trunk secret"), told)
    assert told.states == ["ringing", "answered", "completed"]


@needs_sipp
@pytest.mark.parametrize(("scenario", "state"), [("busy", "busy"), ("nobody", "failed")])
async def test_who_is_not_reached_is_known_as_the_trunk_says(trunk: SipTrunk, scenario: str, state: str):
    told = Told()
    async with sipp(scenario) as address:
        await dial(trunk, Trunk.at(address), told)
    assert told.states == [state]


@needs_sipp
async def test_who_does_not_answer_in_time_hears_no_more_ringing(trunk: SipTrunk):
    told = Told()
    async with sipp("rings") as address:
        await dial(trunk, Trunk.at(address), told, ring_seconds=1)
    assert told.states == ["ringing", "no_answer"]


@needs_sipp
async def test_an_answer_that_crosses_our_giving_up_is_hung_up_and_no_orphan_remains(trunk: SipTrunk):
    told = Told()
    async with sipp("crossing") as address:
        await dial(trunk, Trunk.at(address), told, ring_seconds=1)
    assert told.states == ["ringing", "no_answer"]


@needs_sipp
async def test_what_the_network_says_before_the_answer_is_ringing_and_the_contact_may_hang_up(trunk: SipTrunk):
    told = Told()
    async with sipp("early") as address:
        await dial(trunk, Trunk.at(address), told, talk_s=3)
    assert told.states == ["ringing", "answered", "completed"]


@needs_sipp
async def test_what_we_say_reaches_the_peer_and_what_it_says_reaches_us(trunk: SipTrunk):
    """The peer gives back our sound: what we hear is what we said, a jitter buffer later."""
    told = Told()
    spoken = bytes(
        value for sample in range(8000) for value in ((sample * 37 % 16000) - 8000).to_bytes(2, "little", signed=True)
    )
    heard = bytearray()

    async def talks(line: Call, ref: str) -> None:
        rest = memoryview(spoken)
        while len(heard) < len(spoken) + 8000:
            if rest and line.audio.info().tx_buffered < 1280:
                rest = rest[line.audio.write(rest[:640]) :]
            heard.extend(line.audio.read(1280))
            await asyncio.sleep(0.01)

    async with sipp("digest", "tcp", "-rtp_echo") as address:
        at = Trunk.at(address, user="converse", password="trunk secret")
        await trunk.dial(at, call="call-1", to=PRIYA_PHONE, caller_id=CALLER, told=told, talks=talks)
        await told.over()
    loud = [abs(int.from_bytes(heard[at : at + 2], "little", signed=True)) for at in range(0, len(heard), 2)]
    assert sum(each > 500 for each in loud) > 6000, "a second of ours came back"


@needs_baresip
async def test_keys_go_both_ways_and_the_contact_is_heard_until_they_hang_up(trunk: SipTrunk, tmp_path: Path):
    told, pressed, heard = Told(), [], bytearray()
    async with phone(tmp_path, a_tone(tmp_path)) as peer:

        async def talks(line: Call, ref: str) -> None:
            line.on_dtmf(lambda key: pressed.append(key.digit))
            await line.send_dtmf("1590*#")
            await peer.press("4077#")
            async with asyncio.timeout(20):
                while len(pressed) < 5 or len(heard) < 8000:
                    heard.extend(line.audio.read(1280))
                    await asyncio.sleep(0.02)
            await peer.hang_up()
            async with asyncio.timeout(20):
                await closing(line).wait()

        await trunk.dial(Trunk.at(peer.address), call="call-1", to="phone", caller_id=CALLER, told=told, talks=talks)
        await told.over()
    assert "".join(pressed) == "4077#"
    assert told.states == ["ringing", "answered", "completed"]
    assert max(memoryview(bytes(heard)).cast("h")) > 5000, "the tone was heard"


@needs_baresip
async def test_who_calls_us_is_answered(trunk: SipTrunk, stack_port: int, tmp_path: Path):
    answered = asyncio.Event()
    async with phone(tmp_path, a_tone(tmp_path)) as peer:

        async def arrives(incoming: Call) -> None:
            await incoming.answer()
            await incoming.wait_established(10)
            answered.set()
            await hang_up(incoming)

        await trunk.listen(Trunk.at(peer.address), CALLER, arrives)
        await peer.call(CALLER, stack_port)
        await asyncio.wait_for(answered.wait(), 20)


def a_tone(folder: Path) -> Path:
    """Twenty seconds of 440 Hz."""
    path = folder / "tone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        sounds = (round(9000 * math.sin(at * 2 * math.pi * 440 / 8000)) for at in range(160_000))
        file.writeframes(b"".join(value.to_bytes(2, "little", signed=True) for value in sounds))
    return path


@pytest.mark.parametrize(
    "address",
    ["pstn.example.com", "sip:", "sip:me@host", "sip:host;transport=sctp", "sips:host;transport=tcp", "sip:host;x=1"],
)
def test_a_trunk_that_cannot_be_read_says_what_it_should_be(address: str):
    with pytest.raises(BadTrunk, match="udp"):
        Trunk.at(address)


def test_over_tls_the_sound_is_encrypted_too():
    account = Trunk.at("sips:pstn.in2.exotel.com:443", domain="acme.pstn.exotel.com").account(CALLER)
    assert account.transport == "tls"
    assert account.extra_params == ("mediaenc=srtp-mand",)
    assert account.reg_interval == 0
