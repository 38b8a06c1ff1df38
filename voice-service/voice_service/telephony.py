"""The telephony port: what is asked of a carrier, and what it tells of calls. Its adapters are exotel.py and sip.py.

Nobody else knows which line a call is on. tests/test_telephony.py says what every adapter keeps.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol
from uuid import UUID

from pipecat.transports.base_transport import BaseTransport

from libs.channels.call_status import Status
from libs.channels.outcome import Outcome

if TYPE_CHECKING:
    from voice_service.calls import Call
    from voice_service.settings import Door

RING_S = 30
"""How long a phone may ring before the carrier gives up."""

NotTaken = Literal["unknown_call", "no_line"]
"""Why media are not taken: they are of no call that waits for any, or this process has no line for them."""


class Media(Protocol):
    """The sound of an answered call, PCM s16le 8 kHz both ways, for as long as the line stands.

    `ref` is the carrier's id of the call, `call` ours where it came back; `provider` is the carrier's name in facts and prices.
    `chunk` is how many bytes the transport sends at once: sound that ends within one waits for the next.
    """

    provider: str
    ref: str
    call: str | None
    chunk: int

    def transport(self, call: "Call") -> BaseTransport:
        """For the pipeline, once. It tells `call` what is heard, sent, taken back and pressed, and whether the contact hung up;
        it fires `on_client_disconnected` when the line is gone, and hangs up when the pipeline ends."""

    async def refuse(self, why: NotTaken) -> None:
        """Nobody will talk: end it before it began."""

    async def hang_up(self) -> None:
        """End it now; nothing where it is over."""


Told = Callable[[str, Status], Awaitable[None]]
"""Takes what a carrier says of a tenant's call: twice, late and in any order."""
Talks = Callable[[str, Media], Awaitable[None]]
"""Holds the conversation of a tenant's answered call, until it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A call that is to be placed: `call` is our id of it, `to` E.164. `elsewhere` is the WebSocket of another runtime that takes its media."""

    tenant: str
    call: UUID
    to: str
    max_seconds: int
    ring_seconds: int = RING_S
    elsewhere: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that says nothing. Without a `ref` it is one to `to`, since `since`, that is none of the `known` refs.

    `dialler` is the process that placed it: this one, another that beats, or one that is gone.
    """

    call: UUID
    ref: str | None
    to: str
    since: datetime
    known: Sequence[str] = ()
    dialler: Literal["this", "another", "gone"] = "another"


class CarrierAway(Exception):
    """The carrier did not say what became of a call; it may be asked again."""


class Carrier(Protocol):
    """Places a tenant's calls, each once, and tells what becomes of them by `Told` and `Talks`."""

    async def place(self, door: "Door", wanted: Wanted) -> Outcome:
        """Accepted has the carrier's id. Unknown: it may be ringing, and what became of it will be told or asked for."""

    async def ask(self, door: "Door", asked: Asked) -> Status | None:
        """What became of it; None while it goes on or nothing is known. Raises CarrierAway."""

    async def close(self) -> None:
        """End what still goes on here."""
