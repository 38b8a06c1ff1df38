"""What a channel brings to the gateways: the door of a tenant, what to send and how, and the routes that let things in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

from litestar.types import ControllerRouterHandler

from events.base import Recorded
from events.conversation import MessageRequested
from libs.channels.outcome import Outcome, Refused
from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.kit.buckets import Limits
from libs.kit.serve import Loop
from services.gateways import decide
from services.gateways.desk import Desk


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


class Adapter(Protocol[D, R]):
    """One channel: its pure codec of libs/channels with a thin transport. `R` is a request that is ready to be sent.

    `limits` hold for one account, unless its door is Limited. `evidence` is how long a webhook may explain an outcome that
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
