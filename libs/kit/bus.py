"""The connection to NATS: comes back for ever, reports every error, and moves the facts of a batch without per-message cost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, Error
from nats.js import JetStreamContext
from opentelemetry import context, propagate, trace

from libs.kit import telemetry
from libs.kit.cancelling import end, obeyed
from libs.kit.fast_client import FastClient, Take

log = structlog.get_logger(__name__)

MAX_PENDING_BYTES = 64 * 1024 * 1024  # what may wait for the socket; a batch of the relay is at most 8 MB

RECONNECT_S = 0.2
LOOK_S = 0.02
FOUND_BACK_S = 30.0  # within it nats-py finds back by itself to a server that is there
LONGEST_PAUSE_S = 5.0
PART_S = 2.0  # to say goodbye to a server, which may have vanished
REFUSED = "authorization violation"  # in nats-server's words, whatever their case
GAVE_UP = "the connection to nats is made anew"

CONNECTED = telemetry.gauge("bus_connected", "1 while NATS can be talked to", "bus")
MADE_ANEW = telemetry.counter("bus_made_anew", "Connections to NATS that were given up and made anew", "bus")

OnSignal = Callable[[str, bytes], None]
Stop = Callable[[], Awaitable[None]]


class BusAway(Exception):
    """NATS is not connected right now."""


@dataclass(slots=True, eq=False)
class _Wanted:
    """What somebody listens to, on whichever connection there is: to plain facts by `take`, else by `call`."""

    subject: str
    take: Take | None = None
    call: Callable[[Msg], Awaitable[None]] | None = None
    held: tuple[FastClient, Subscription] | None = None

    async def ask(self, client: FastClient) -> None:
        subscription = await client.subscribe(self.subject, cb=self.call)
        self.held = client, subscription
        if self.take is not None:
            client.direct[subscription._id] = self.take  # nats-py has no public name for it

    async def leave(self) -> None:
        if self.held is None:
            return
        (client, subscription), self.held = self.held, None
        client.direct.pop(subscription._id, None)
        try:
            await subscription.unsubscribe()
        except Error:
            log.debug("unsubscribed from a connection that is gone", subject=self.subject)


class Bus:
    """One service's connection to NATS. Facts come through JetStream; signals (`sig.>`) are lost when nobody listens.

    nats-py reconnects by itself when a connection is lost, but closes it for good at an error of the server that is neither
    "stale connection" nor a permission (a protocol fault, a message that is too large, a password that was changed). Then,
    and when it has not found back for FOUND_BACK_S, the bus begins with a new connection and asks for everything again.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors: list[str] = []
        self._client = FastClient()
        self._keeping: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._has_been_connected = False
        self._over = asyncio.Event()
        self._wanted: list[_Wanted] = []
        self._watchers: list[Callable[[bool], None]] = []

    @classmethod
    async def connect(
        cls, url: str, *, name: str, user: str | None = None, password: str | None = None, patience: float = 5.0
    ) -> "Bus":
        """A bus for the service `name`, whose inboxes are `_INBOX_<name>.>`.

        Returns once connected, or after `patience` seconds with the connection still being tried in the background.
        """
        bus = cls(name)
        CONNECTED.labels(name).set(0)
        bus._keeping = asyncio.create_task(bus._keep(url, user, password), name=f"bus-{name}")
        first = asyncio.create_task(bus._connected.wait())
        try:
            await asyncio.wait([bus._keeping, first], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            first.cancel()
        if bus._keeping.done():
            bus._keeping.result()
        return bus

    async def _keep(self, url: str, user: str | None, password: str | None) -> None:
        """Be connected, with a new client whenever the present one has given up."""
        pause = RECONNECT_S
        while True:
            began = asyncio.get_running_loop().time()
            reason = "it did not find back to a server"
            try:
                await self._connect(url, user, password)
                for wanted in tuple(self._wanted):
                    await wanted.ask(self._client)
                await self._on_connect()
                await self._until_given_up()
                reason = str(self._client.last_error or reason)
            except Exception as error:
                if not self._has_been_connected:
                    raise  # what it was told is wrong: an address that is none
                reason = f"{type(error).__name__}: {error}"
            MADE_ANEW.labels(self.name).inc()
            log.error(GAVE_UP, bus=self.name, reason=reason, after_s=pause)
            await self._part()
            if self._connected.is_set():
                await self._on_disconnect()
            await asyncio.sleep(pause)
            lived = asyncio.get_running_loop().time() - began > FOUND_BACK_S
            pause = RECONNECT_S if lived else min(2 * pause, LONGEST_PAUSE_S)
            self._client = FastClient()

    async def _until_given_up(self) -> None:
        """Return when nats-py has closed the connection for good, or has looked for a server for FOUND_BACK_S in vain."""
        away = 0
        while away < 2:
            with suppress(TimeoutError):
                async with asyncio.timeout(FOUND_BACK_S / 2):
                    await self._over.wait()
                    return
            away = 0 if self.connected else away + 1

    async def _on_closed(self) -> None:
        self._over.set()

    async def _connect(self, url: str, user: str | None, password: str | None) -> None:
        self._over.clear()
        connecting = self._client.connect(
            url.split(","),
            name=self.name,
            user=user,
            password=password,
            inbox_prefix=f"_INBOX_{self.name}",
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_connect,
            closed_cb=self._on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]  # it is given to asyncio.sleep
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=MAX_PENDING_BYTES,
        )
        await obeyed(connecting)

    async def _on_error(self, error: Exception) -> None:
        again = not self.connected and self.errors[-1:] == [str(error)]  # each attempt to connect says the same
        self.errors = [*self.errors[-19:], str(error)]
        say = log.debug if again else log.warning
        say("nats reports an error", bus=self.name, error=str(error), kind=type(error).__name__)

    async def _on_connect(self) -> None:
        self._connected.set()
        self._has_been_connected = True
        CONNECTED.labels(self.name).set(1)
        log.info("connected to nats", bus=self.name)
        self._tell(up=True)

    async def _on_disconnect(self) -> None:
        if self._connected.is_set():
            log.warning("nats is away", bus=self.name)
        self._connected.clear()
        CONNECTED.labels(self.name).set(0)
        self._tell(up=False)

    def _tell(self, *, up: bool) -> None:
        for watcher in tuple(self._watchers):
            watcher(up)

    @property
    def connected(self) -> bool:
        """Whether NATS can be talked to at this moment."""
        return self._connected.is_set() and self._client.is_connected

    def health(self) -> str:
        """`ok` or `ok: …`, else why whoever uses it cannot be trusted to hear anything.

        NATS being away is no reason to be taken out of service: facts are read from the log then, and what is asked for over
        HTTP is stored. Never having been there, or refusing us, is: a person has to act.
        """
        if self.connected:
            return "ok"
        last = self.errors[-1] if self.errors else "no server answers"
        if REFUSED in last.lower():
            return f"refused by nats: {last}; is the password of the user {self.name} right?"
        if not self._has_been_connected:
            return f"not connected to nats yet: {last}"
        return "ok: nats is away, the log is read instead"

    @property
    def server_version(self) -> tuple[int, int]:
        """The major and minor version of the server that it is connected to."""
        version = self._client.connected_server_version
        return version.major, version.minor

    @property
    def has_jetstream(self) -> bool:
        """Whether the server that it is connected to keeps streams."""
        return bool(self._client._server_info.get("jetstream"))

    @property
    def max_payload(self) -> int:
        """The largest message in bytes that the server takes."""
        return self._client.max_payload

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream's management calls. Facts themselves go through `publish_raw` and `take`."""
        return self._client.jetstream(timeout=5)

    async def until_connected(self) -> None:
        """Wait until NATS can be talked to."""
        await self._connected.wait()
        # Between the loss and nats-py's word of it the event still stands: who asks again at once would keep it from being said.
        while not self.connected:
            await asyncio.sleep(LOOK_S)
            await self._connected.wait()

    def watch(self, watcher: Callable[[bool], None]) -> Callable[[], None]:
        """Call `watcher` with True after each connect and with False after each disconnect; returns how to stop."""
        self._watchers.append(watcher)

        def stop() -> None:
            with suppress(ValueError):  # the bus may have been closed meanwhile
                self._watchers.remove(watcher)

        return stop

    def new_inbox(self) -> str:
        """A fresh subject that only this service may listen to."""
        return self._client.new_inbox()

    async def take(self, subject: str, take: Take) -> Stop:
        """Hand payload and raw headers of each message on `subject` to a plain function, from the reading task itself."""
        return await self._want(_Wanted(subject, take=take))

    async def listen(self, subject: str, on_signal: OnSignal) -> Stop:
        """Call `on_signal(subject, body)` for each message, in the trace that it was sent in."""

        async def receive(message: Msg) -> None:
            token = context.attach(propagate.extract(message.headers or {}))
            try:
                on_signal(message.subject, message.data)
            finally:
                context.detach(token)

        return await self._want(_Wanted(subject, call=receive))

    async def answer(self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]) -> Stop:
        """Answer requests on `subject` with what `reply(subject, body)` returns."""

        async def receive(message: Msg) -> None:
            await message.respond(await reply(message.subject, message.data))

        return await self._want(_Wanted(subject, call=receive))

    async def _want(self, wanted: _Wanted) -> Stop:
        """Listen from now on, over reconnects too; returns how to stop. Raises BusAway."""
        self._require()
        try:
            await wanted.ask(self._client)
        except Error as error:
            raise BusAway(str(error)) from error
        self._wanted.append(wanted)

        async def stop() -> None:
            if wanted in self._wanted:
                self._wanted.remove(wanted)
            await wanted.leave()

        return stop

    async def signal(self, subject: str, body: bytes) -> None:
        """Tell whoever listens now. While NATS is away the signal is dropped: it is never state."""
        if not self.connected:
            return
        headers: dict[str, str] = {}
        if trace.get_current_span().get_span_context().is_valid:
            propagate.inject(headers)
        try:
            await self._client.publish(subject, body, headers=headers or None)
        except Error as error:
            log.debug("a signal was dropped", bus=self.name, subject=subject, error=str(error))

    async def publish(self, subject: str, body: bytes, *, reply: str = "") -> None:
        """Send a control message; raises BusAway."""
        self._require()
        try:
            await self._client.publish(subject, body, reply=reply)
        except Error as error:
            raise BusAway(str(error)) from error

    async def request(self, subject: str, body: bytes, *, timeout: float = 2.0) -> bytes:
        """Ask and wait for the answer; raises BusAway and nats.errors.TimeoutError or NoRespondersError."""
        self._require()
        try:
            message = await self._client.request(subject, body, timeout=timeout)
        except ConnectionClosedError as error:
            raise BusAway(str(error)) from error
        return message.data

    async def publish_raw(self, frames: bytes) -> None:
        """Write protocol frames that the relay has made; raises BusAway."""
        self._require()
        await self._client.publish_raw(frames)

    def _require(self) -> None:
        if not self.connected:
            raise BusAway(f"{self.name} is not connected to nats")

    async def flush(self) -> None:
        """Return when the server has seen everything sent so far."""
        self._require()
        await self._client.flush()

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        self._watchers.clear()
        if self._keeping:
            await end(self._keeping)
        self._connected.clear()  # before it is: that it goes is no news
        await self._part()

    async def _part(self) -> None:
        client: Any = self._client
        if not client.is_closed:
            if client.is_connected:
                with suppress(Error):
                    await client.flush(PART_S)
            ending = asyncio.create_task(client.close())
            if not (await asyncio.wait([ending], timeout=PART_S))[0]:
                client.cut()
            # Told to close while it reconnects, nats-py raises the cancellation of its own task as if it were ours.
            for failure in filter(None, await asyncio.gather(ending, return_exceptions=True)):
                log.debug("the connection to nats did not close well", bus=self.name, kind=type(failure).__name__)
