"""Calls over a SIP trunk, against sipp and the C baresip as peers: what is dialled, answered, heard, refused and given up."""

import asyncio
import math
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import pytest
from baresip import Call
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sip_peers import needs_baresip, needs_sipp, phone, sipp
from voice_world import until

from libs.channels.call_status import OVER, Status
from libs.channels.outcome import Accepted, Refused
from libs.config.sip import Trunk
from libs.kit.clock import Clock
from libs.kit.embedded_process import free_port
from libs.testkit.nouns import PRIYA_PHONE, TENANT
from voice_service.settings import SIP, Door, SipListens
from voice_service.sip import SipTrunk
from voice_service.sip_media import SipMedia
from voice_service.sip_stack import SipStack, account, closing, hang_up
from voice_service.telephony import Media, Wanted

CALLER = "+918047491899"


CALL = UUID(int=7)
Talk = Callable[[Call], Awaitable[None]]


async def a_moment(line: Call) -> None:
    await asyncio.sleep(0.3)


class Desk:
    """What was told of the call, in order; `talk` is its conversation."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.refused: Refused | None = None
        self.talk: Talk = a_moment
        self._over = asyncio.Event()

    async def told(self, tenant: str, status: Status) -> None:
        self.states.append(status.state)
        self.refused = status.refused
        if status.state in OVER:
            self._over.set()

    async def talks(self, tenant: str, media: Media) -> None:
        assert isinstance(media, SipMedia)
        await self.talk(media.line)

    async def over(self) -> None:
        await asyncio.wait_for(self._over.wait(), 30)


@pytest.fixture
def stack_port() -> int:
    return free_port()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def sip(clock: Clock, stack_port: int, desk: Desk) -> AsyncIterator[SipTrunk]:
    listens = SipListens(interface="127.0.0.1", at=f"127.0.0.1:{stack_port}", rtp_ports=(15000, 16998))
    found = SipTrunk(SipStack(listens), clock, desk.told, desk.talks)
    yield found
    await found.close()


def door(trunk: Trunk) -> Door:
    return Door(urls={}, keys={}, carrier=SIP, caller_id=CALLER, trunk=trunk)


async def dial(
    sip: SipTrunk, at: Trunk, desk: Desk, *, to: str = PRIYA_PHONE, ring_seconds: int = 20, max_seconds: int = 60
) -> None:
    wanted = Wanted(tenant=TENANT, call=CALL, to=to, max_seconds=max_seconds, ring_seconds=ring_seconds)
    assert await sip.place(door(at), wanted) == Accepted(str(CALL))
    await desk.over()


def as_converse(address: str) -> Trunk:
    return replace(Trunk.at(address), user="converse", password="trunk secret")


@needs_sipp
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_trunk_that_asks_who_we_are_is_answered_and_our_goodbye_is_taken(
    sip: SipTrunk, desk: Desk, transport: str, tmp_path: Path
):
    async with sipp("digest", transport) as address:
        await dial(sip, as_converse(address), desk)
    assert desk.states == ["ringing", "answered", "completed"]


@needs_sipp
@pytest.mark.parametrize(
    ("scenario", "state", "refused"),
    [("busy", "busy", None), ("nobody", "failed", Refused(404, "nobody has this number", "contact"))],
)
async def test_who_is_not_reached_is_known_as_the_trunk_says(
    sip: SipTrunk, desk: Desk, scenario: str, state: str, refused: Refused | None
):
    async with sipp(scenario) as address:
        await dial(sip, Trunk.at(address), desk)
    assert (desk.states, desk.refused) == ([state], refused)


@needs_sipp
async def test_a_trunk_that_does_not_take_our_password_refuses_the_call(sip: SipTrunk, desk: Desk):
    async with sipp("digest") as address:
        await dial(sip, replace(as_converse(address), password="another"), desk)
    assert (desk.states, desk.refused) == (
        ["failed"],
        Refused(403, "the trunk does not let this call through", "message"),
    )


@needs_sipp
async def test_who_does_not_answer_in_time_hears_no_more_ringing(sip: SipTrunk, desk: Desk):
    async with sipp("rings") as address:
        await dial(sip, Trunk.at(address), desk, ring_seconds=1)
    assert desk.states == ["ringing", "no_answer"]


@needs_sipp
async def test_an_answer_that_crosses_our_giving_up_is_hung_up_and_no_orphan_remains(sip: SipTrunk, desk: Desk):
    async with sipp("crossing") as address:
        await dial(sip, Trunk.at(address), desk, ring_seconds=1)
    assert desk.states == ["ringing", "no_answer"]


@needs_sipp
async def test_what_the_network_says_before_the_answer_is_ringing_and_the_contact_may_hang_up(
    sip: SipTrunk, desk: Desk
):
    async def talks(line: Call) -> None:
        await closing(line).wait()

    desk.talk = talks
    async with sipp("early") as address:
        await dial(sip, Trunk.at(address), desk)
    assert desk.states == ["ringing", "answered", "completed"]


async def breaks(line: Call) -> None:
    raise RuntimeError("the conversation broke")


async def never_ends(line: Call) -> None:
    await asyncio.Event().wait()


@needs_sipp
@pytest.mark.parametrize("talk", [breaks, never_ends])
async def test_a_conversation_that_breaks_or_does_not_end_in_time_is_hung_up(sip: SipTrunk, desk: Desk, talk: Talk):
    desk.talk = talk
    async with sipp("digest") as address:
        await dial(sip, as_converse(address), desk, max_seconds=2)
    assert desk.states == ["ringing", "answered", "completed"]


@needs_sipp
async def test_what_we_say_reaches_the_peer_and_what_it_says_reaches_us(sip: SipTrunk, desk: Desk):
    """The peer gives back our sound: what we hear is what we said, a jitter buffer later."""
    spoken = bytes(
        value for sample in range(8000) for value in ((sample * 37 % 16000) - 8000).to_bytes(2, "little", signed=True)
    )
    heard = bytearray()

    async def talks(line: Call) -> None:
        rest = memoryview(spoken)
        while len(heard) < len(spoken) + 8000:
            if rest and line.audio.info().tx_buffered < 1280:
                rest = rest[line.audio.write(rest[:640]) :]
            heard.extend(line.audio.read(1280))
            await asyncio.sleep(0.01)

    async with sipp("digest", "tcp", "-rtp_echo") as address:
        desk.talk = talks
        await dial(sip, as_converse(address), desk)
    loud = [abs(int.from_bytes(heard[at : at + 2], "little", signed=True)) for at in range(0, len(heard), 2)]
    assert sum(each > 500 for each in loud) > 4000, (
        "most of a second of ours came back: on a busy machine packets are late"
    )


@needs_baresip
async def test_keys_go_both_ways_and_the_contact_is_heard_until_they_hang_up(sip: SipTrunk, desk: Desk, tmp_path: Path):
    pressed: list[str] = []
    heard = bytearray()
    async with phone(tmp_path, a_tone(tmp_path)) as peer:

        async def talks(line: Call) -> None:
            line.on_dtmf(lambda key: pressed.append(key.digit))
            await line.send_dtmf("1590*#")
            await peer.press("4077#")
            async with asyncio.timeout(20):
                while len(pressed) < 5 or len(heard) < 8000:
                    heard.extend(line.audio.read(1280))
                    await asyncio.sleep(0.02)
            await until(lambda: asyncio.sleep(0, peer.keys == "1590*#"))
            await peer.hang_up()
            async with asyncio.timeout(20):
                await closing(line).wait()

        desk.talk = talks
        await dial(sip, Trunk.at(peer.address), desk, to="phone")
    assert "".join(pressed) == "4077#"
    assert desk.states == ["ringing", "answered", "completed"]
    assert max(memoryview(bytes(heard)).cast("h")) > 5000, "the tone was heard"


@needs_baresip
async def test_who_calls_us_is_answered(sip: SipTrunk, desk: Desk, stack_port: int, tmp_path: Path):
    answered = asyncio.Event()
    async with phone(tmp_path, a_tone(tmp_path)) as peer:

        async def arrives(incoming: Call) -> None:
            await incoming.answer()
            await incoming.wait_established(10)
            answered.set()
            await hang_up(incoming)

        await sip.listen(Trunk.at(peer.address), CALLER, arrives)
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


@needs_baresip
@pytest.mark.parametrize(
    ("trusts", "states"), [("phone", ["ringing", "answered", "completed"]), ("another", ["failed"])]
)
async def test_over_tls_the_sound_is_encrypted_and_a_trunk_that_nobody_vouches_for_is_not_called(
    sip: SipTrunk,
    desk: Desk,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusts: str,
    states: list[str],
):
    certificates = {each: a_certificate(tmp_path / f"{each}.pem", clock.now()) for each in ("phone", "another")}
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates[trusts]))
    heard = bytearray()

    async def talks(line: Call) -> None:
        async with asyncio.timeout(20):
            while len(heard) < 8000:
                heard.extend(line.audio.read(1280))
                await asyncio.sleep(0.02)

    desk.talk = talks
    async with phone(tmp_path, a_tone(tmp_path), certificates["phone"]) as peer:
        await dial(sip, Trunk.at(peer.sealed_address), desk, to="phone")
    assert desk.states == states
    assert "answered" not in states or max(memoryview(bytes(heard)).cast("h")) > 5000, "the tone was heard"


def a_certificate(path: Path, now: datetime) -> Path:
    """Of 127.0.0.1 for an hour, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


def test_over_tls_an_account_never_registers_and_asks_for_srtp():
    found = account(replace(Trunk.at("sips:pstn.in2.exotel.com:443"), domain="acme.pstn.exotel.com"), CALLER)
    assert (found.transport, found.domain) == ("tls", "acme.pstn.exotel.com")
    assert found.extra_params == ("mediaenc=srtp-mand",)
    assert found.reg_interval == 0
