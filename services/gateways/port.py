"""What a channel brings to the gateways: the door of a tenant, what to send and how, and the routes that let things in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

from litestar.types import ControllerRouterHandler

from events.base import Recorded
from events.conversation import MessageRequested
from libs.channels.outcome import Outcome, Refused, Retry
from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.kit.buckets import Limits
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Kind
from libs.kit.objects import Objects
from libs.kit.serve import Loop
from libs.kit.store import Store
from services.gateways import decide
from services.gateways.desk import Desk
from services.gateways.handle import Bundles


class Door(decide.Door, Protocol):
    """A tenant's account at the provider of one channel."""

    @property
    def mode(self) -> ChannelMode: ...


@runtime_checkable
class Limited(Protocol):
    """A door whose provider has limits of its own, where a channel has several providers."""

    @property
    def limits(self) -> Limits: ...


D = TypeVar("D", bound=Door)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Tools:
    """What an adapter may work with. `objects`: where files are kept; None where the environment names no place."""

    store: Store
    clock: Clock
    bundles: Bundles
    objects: Objects | None


class Adapter(Protocol[D, R]):
    """One channel: its pure codec of libs/channels with a thin transport. `R` is a request that is ready to be sent.

    `limits` hold for one account, unless its door is Limited; `evidence` is how long a webhook may explain an outcome that
    nobody knows. Without any, sending twice does no harm, and what is not known is simply done again.
    """

    channel: str
    limits: Limits

    @property
    def evidence(self) -> timedelta | None: ...

    def door(self, bundle: Bundle) -> D:
        """The door of a tenant, by its bundle. Raises ChannelOff."""

    def write(self, intent: Recorded[MessageRequested], door: D, bundle: Bundle, now: datetime) -> R | Refused:
        """The request that says it, before anything is called; what can never be said is refused here."""

    async def send(self, request: R, door: D, attempt: int) -> Outcome:
        """Call the provider once and classify its answer; `attempt` counts from 0."""

    def routes(self, desk: Desk) -> Sequence[ControllerRouterHandler]:
        """The webhooks or sockets by which the channel lets things in."""

    def loops(self) -> Sequence[Loop]:
        """What the channel does by itself, such as keeping its registered templates in step."""

    async def close(self) -> None:
        """Let go of clients and connections."""


AnyAdapter = Adapter[Any, Any]


@runtime_checkable
class Prepares(Protocol):
    """An adapter that has something to do before it may send, and that may be repeated: uploading a file."""

    async def prepare(self, tenant: str, request: Any, door: Any) -> Any | Refused | Retry:
        """The request as it can be sent; what goes wrong here has sent nothing."""


@runtime_checkable
class Patient(Protocol):
    """An adapter whose provider is slower than most, and may ask to be tried again for longer.

    `timeout` bounds a whole call, `max_age` how long a message is tried.
    """

    timeout: timedelta
    max_age: timedelta


@runtime_checkable
class Works(Protocol):
    """An adapter with effects beside sending, each on an account of its own (`<channel>.<word>`)."""

    def kinds(self) -> Mapping[str, Kind]:
        """The effects that it performs, by name."""

    def accounts(self) -> Mapping[str, Limits]:
        """The limits of their accounts."""


@runtime_checkable
class Watches(Protocol):
    """An adapter that knows more of its health than that it runs."""

    def health(self) -> Mapping[str, str]:
        """What may be wrong, for /health/ready: `ok`, or `ok: ` and what is not as it should be."""
