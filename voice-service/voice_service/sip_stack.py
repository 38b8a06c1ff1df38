"""The SIP stack of this process: how it listens, who we are at a trunk, and what happens to a call of its."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator

from baresip import Account, Call, CallState, Config, Event, Runtime, StackEvent, StaleHandleError, UserAgent

from libs.config.sip import Trunk
from voice_service.settings import SipListens

OUR_CALL = "X-Converse-Call"
"""The header in which our id of a call travels."""
DEAD_PEER_S = 30
"""Without any RTP for so long, a call is over: its peer has gone without a BYE."""


class SipStack:
    """One in a process, started when it is first needed."""

    def __init__(self, listens: SipListens) -> None:
        self._listens = listens
        self._runtime = Runtime()
        self._started = False
        self._agents: dict[tuple[Trunk, str], UserAgent] = {}
        self._one_at_a_time = asyncio.Lock()

    async def agent(self, trunk: Trunk, caller_id: str) -> UserAgent:
        """Who we are there: one for each number that we show, as the From of a call is its agent's. Raises BaresipError."""
        key = (trunk, caller_id)
        async with self._one_at_a_time:
            if not self._started:
                await self._runtime.start(config(self._listens))
                self._started = True
            if key not in self._agents:
                self._agents[key] = await UserAgent.create(
                    self._runtime, account(trunk, caller_id), transfer_policy="reject"
                )
            return self._agents[key]

    @contextlib.contextmanager
    def hears(self, listener: Callable[[StackEvent], None]) -> Iterator[None]:
        """Everything that happens in the stack meanwhile is told."""
        self._runtime.subscribe(listener)
        try:
            yield
        finally:
            self._runtime.unsubscribe(listener)

    async def close(self) -> None:
        """End what still goes on."""
        if self._started:
            await self._runtime.close()


def config(listens: SipListens) -> Config:
    """As the stack wants it. The jitter buffer's own default holds sound back for 100 ms."""
    first, last = listens.rtp_ports
    cafile = ssl.get_default_verify_paths().cafile
    trusted = f"sip_cafile {cafile}\n" if cafile else ""
    return Config(
        net_interface=listens.interface,
        max_concurrent_calls=None,
        rtp_timeout=DEAD_PEER_S,
        expose_headers=(OUR_CALL,),
        extra_config_text=f"sip_listen {listens.at}\nrtp_ports {first}-{last}\n{trusted}"
        "audio_jitter_buffer_type adaptive\naudio_jitter_buffer_ms 40-200\n",
    )


def account(trunk: Trunk, caller_id: str) -> Account:
    """Our identity for calls that show `caller_id`; never registers. Over TLS the media are encrypted, too (SDES)."""
    return Account(
        user=caller_id,
        domain=trunk.domain or trunk.host,
        password=trunk.password,
        auth_user=trunk.user,
        registrar=f"sip:{trunk.host}:{trunk.port};transport={trunk.transport}",
        reg_interval=0,
        transport=trunk.transport,
        audio_codecs=tuple(codec.lower() for codec in trunk.codecs),
        extra_params=("mediaenc=srtp-mand",) if trunk.transport == "tls" else (),
    )


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
    """BYE, or CANCEL where nobody has answered, unless it is over already."""
    if call.state is CallState.CLOSED:
        return
    with contextlib.suppress(StaleHandleError):
        await call.hangup()
