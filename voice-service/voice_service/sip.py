"""A SIP trunk: the stack of this process, and the calls over it from INVITE to BYE.

baresip does the protocol (digest or by address, retransmission, CANCEL, RTP); we say whom to call and hear what came of it.
Source of what trunks demand: Exotel's vSIP guides (TCP 5070 or TLS 443, no REGISTER, From domain of the account, telephone-event
96, 200 calls a minute) as of August 2026.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from urllib.parse import parse_qsl

import structlog
from baresip import (
    Account,
    BaresipError,
    Call,
    CallBusy,
    CallDeclined,
    CallFailed,
    CallState,
    CallTimeout,
    CommandTimeout,
    Config,
    DrainingError,
    Event,
    NoLocalAddressError,
    Runtime,
    StackEvent,
    StaleHandleError,
    UserAgent,
)

from libs.channels.exotel import State, Status
from libs.channels.outcome import Accepted, Outcome, Refused, Retry, Unknown
from libs.kit.clock import Clock

log = structlog.get_logger(__name__)

OUR_CALL = "X-Converse-Call"
"""The header in which our id of a call travels."""
DEAD_PEER_S = 30
"""Without any RTP for so long, a call is over: its peer has gone without a BYE."""
CODECS = ("pcma", "pcmu")
Transport = Literal["udp", "tcp", "tls"]

_REFUSED_FOR_GOOD: Mapping[int, str] = {
    404: "nobody has this number",
    410: "the number is gone",
    484: "the number is incomplete",
    604: "nobody has this number",
}
_REFUSES_US = frozenset({401, 403, 407})


class BadTrunk(Exception):
    """A trunk's address that we cannot read; says what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Where the trunk is and who we are there. Without a password it knows us by our address.

    `domain` is that of our From; trunks that have many customers tell them apart by it.
    """

    host: str
    transport: Transport = "udp"
    domain: str | None = None
    user: str | None = None
    password: str = ""

    @classmethod
    def at(cls, address: str, *, domain: str | None = None, user: str | None = None, password: str = "") -> "Trunk":
        """From `sip:host[:port][;transport=udp|tcp|tls]`, or `sips:…`. Raises BadTrunk."""
        scheme, colon, rest = address.partition(":")
        host, *parameters = rest.split(";")
        given = dict(parse_qsl("&".join(parameters)))
        transport = given.pop("transport", "tls" if scheme == "sips" else "udp")
        if scheme not in ("sip", "sips") or not colon or not host or "@" in host or given:
            raise BadTrunk(f"{address!r} is no trunk: it should be sip:host[:port][;transport=udp|tcp|tls]")
        if transport not in ("udp", "tcp", "tls") or (scheme == "sips" and transport != "tls"):
            raise BadTrunk(f"a trunk speaks over udp, tcp or tls (sips: only tls), not {transport!r}")
        return cls(host=host, transport=cast(Transport, transport), domain=domain, user=user, password=password)

    def account(self, caller_id: str) -> Account:
        """Our identity for calls that show `caller_id`; never registers. Over TLS the media are encrypted, too (SDES)."""
        return Account(
            user=caller_id,
            domain=self.domain or self.host,
            password=self.password,
            auth_user=self.user,
            registrar=f"sip:{self.host};transport={self.transport}",
            reg_interval=0,
            transport=self.transport,
            audio_codecs=CODECS,
            extra_params=("mediaenc=srtp-mand",) if self.transport == "tls" else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """How this process's stack listens. `interface` is a name or an address; None leaves it to the routes."""

    interface: str | None = None
    listen: str = "0.0.0.0:5060"
    rtp_ports: tuple[int, int] = (30000, 31998)

    def config(self) -> Config:
        """As the stack wants it. The jitter buffer's own default holds sound back for 100 ms."""
        first, last = self.rtp_ports
        cafile = ssl.get_default_verify_paths().cafile
        trusted = f"sip_cafile {cafile}\n" if cafile else ""
        return Config(
            net_interface=self.interface,
            max_concurrent_calls=None,
            rtp_timeout=DEAD_PEER_S,
            expose_headers=(OUR_CALL,),
            extra_config_text=f"sip_listen {self.listen}\nrtp_ports {first}-{last}\n{trusted}"
            "audio_jitter_buffer_type adaptive\naudio_jitter_buffer_ms 40-200\n",
        )


Told = Callable[[Status], Awaitable[None]]
Talks = Callable[[Call, str], Awaitable[None]]
"""Holds the conversation of an established call; the second argument is the provider's id of it."""


class SipTrunk:
    """The calls over one trunk. There is one stack in a process."""

    def __init__(self, stack: Stack, clock: Clock) -> None:
        self._stack = stack
        self._clock = clock
        self._runtime = Runtime()
        self._agents: dict[tuple[Trunk, str], UserAgent] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises BaresipError where the address is taken."""
        await self._runtime.start(self._stack.config())

    async def drain(self) -> None:
        """Take no new calls, and wait until those that go on have ended."""
        await self._runtime.drain()

    async def close(self) -> None:
        """End what still goes on."""
        await self._runtime.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def dial(
        self, trunk: Trunk, *, call: str, to: str, caller_id: str, told: Told, talks: Talks, ring_seconds: float = 30
    ) -> Outcome:
        """Send an INVITE to `to` (E.164). What becomes of it is `told`; once it is answered, `talks` holds the conversation."""
        early: list[StackEvent] = []
        self._runtime.subscribe(early.append)
        try:
            agent = await self._agent(trunk, caller_id)
            placed = await agent.dial(f"sip:{to}@{trunk.host};transport={trunk.transport}", headers={OUR_CALL: call})
        except DrainingError:
            return Retry("this process takes no new calls")
        except NoLocalAddressError:
            return Retry("no way leads to the trunk")
        except CommandTimeout:
            return Unknown("the SIP stack has not said whether the INVITE went out")
        except (BaresipError, ValueError) as error:
            return Refused("sip", f"no INVITE was sent: {error}", "account")
        finally:
            self._runtime.unsubscribe(early.append)
        rings = ringing(placed)
        for event in early:  # an answer may be quicker than the call's own listener: the library loses it
            placed._on_stack_event(event)
        self._spawn(self._follow(placed, rings, call, told, talks, ring_seconds))
        return Accepted(call)

    async def listen(self, trunk: Trunk, number: str, arrives: Callable[[Call], Awaitable[None]]) -> None:
        """Whoever calls `number` over the trunk is handed to `arrives`, which answers or rejects."""
        agent = await self._agent(trunk, number)
        agent.on_incoming(lambda incoming: self._spawn(arrives(incoming)))

    async def _agent(self, trunk: Trunk, caller_id: str) -> UserAgent:
        """One for each number that we show: the From of a call is its agent's."""
        key = (trunk, caller_id)
        if key not in self._agents:
            self._agents[key] = await UserAgent.create(
                self._runtime, trunk.account(caller_id), transfer_policy="reject"
            )
        return self._agents[key]

    async def _follow(
        self, placed: Call, rings: asyncio.Event, call: str, told: Told, talks: Talks, ring_seconds: float
    ) -> None:
        """Tell each thing that happens, in order, until the call is over."""
        over = closing(placed)
        taken = asyncio.ensure_future(placed.wait_established(ring_seconds))
        ringing = asyncio.ensure_future(rings.wait())
        await asyncio.wait((taken, ringing), return_when=asyncio.FIRST_COMPLETED)
        ringing.cancel()
        if rings.is_set():
            await told(self._status(call, "ringing"))
        try:
            await taken
        except CallFailed as failed:
            await told(self._status(call, *unanswered(failed)))
            return
        answered_at = self._clock.now()
        await told(self._status(call, "answered"))
        try:
            await talks(placed, call)
        finally:
            await hang_up(placed)
            await over.wait()
            lasted = round((self._clock.now() - answered_at).total_seconds())
            await told(self._status(call, "completed", seconds=lasted))

    def _status(self, call: str, state: State, reason: str | None = None, seconds: int | None = None) -> Status:
        at: datetime = self._clock.now()
        if reason:
            log.info("a SIP call was not answered", call=call, state=state, reason=reason)
        return Status(ref=call, state=state, at=at, call=call, seconds=0 if state != "completed" else seconds)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("following a SIP call broke", exc_info=error)


def unanswered(failed: CallFailed) -> tuple[State, str]:
    """What a call is that nobody took, and why, in the trunk's words."""
    if isinstance(failed, CallTimeout):
        return "no_answer", "nobody answered in time"
    if isinstance(failed, CallBusy | CallDeclined):
        return "busy", str(failed)
    if failed.status in (408, 480, 487):
        return "no_answer", str(failed)
    return "failed", str(failed)


def ringing(call: Call) -> asyncio.Event:
    """Set once the other end rings, or the network speaks for it."""
    rings = asyncio.Event()

    def heard(event: StackEvent) -> None:
        if event.event in (Event.CALL_RINGING, Event.CALL_PROGRESS):
            rings.set()

    call.on(heard)
    return rings


def closing(call: Call) -> asyncio.Event:
    """Set once the stack says that the call is over."""
    gone = asyncio.Event()

    def heard(event: StackEvent) -> None:
        if event.event is Event.CALL_CLOSED:
            gone.set()

    call.on(heard)
    if call.state is CallState.CLOSED:
        gone.set()
    return gone


async def hang_up(call: Call) -> None:
    """BYE, unless it is over already."""
    if call.state is CallState.CLOSED:
        return
    try:
        await call.hangup()
    except StaleHandleError:
        pass
