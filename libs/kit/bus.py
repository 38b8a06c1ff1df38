"""The connection to NATS: reconnects for ever, reports every error, and moves the facts of a batch without per-message cost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, Error
from nats.js import JetStreamContext
from opentelemetry import context, propagate, trace

log = structlog.get_logger(__name__)

MAX_PENDING_BYTES = 64 * 1024 * 1024  # what may wait for the socket; a batch of the relay is at most 8 MB

RECONNECT_S = 0.2
LOOK_S = 0.02

Take = Callable[[bytes, bytes], None]
OnSignal = Callable[[str, bytes], None]
Stop = Callable[[], Awaitable[None]]


class BusAway(Exception):
    """NATS is not connected right now."""


class _FastClient(Client):
    """nats-py spends 20 µs a message on headers, queues and tasks; facts go to a plain function instead."""

    def __init__(self) -> None:
        super().__init__()
        self.direct: dict[int, Take] = {}

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        take = self.direct.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            take(data, headers)

    async def publish_raw(self, frames: bytes) -> None:
        """Write ready protocol frames (HPUB …) in one piece."""
        await self._send_command(frames)
        await self._flush_pending()


class Bus:
    """One service's connection to NATS. Facts come through JetStream; signals (`sig.>`) are lost when nobody listens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors: list[str] = []
        self._client = _FastClient()
        self._connecting: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._watchers: list[Callable[[bool], None]] = []

    @classmethod
    async def connect(
        cls, url: str, *, name: str, user: str | None = None, password: str | None = None, patience: float = 5.0
    ) -> "Bus":
        """A bus for the service `name`, whose inboxes are `_INBOX_<name>.>`.

        Returns once connected, or after `patience` seconds with the connection still being tried in the background.
        """
        bus = cls(name)
        bus._connecting = asyncio.create_task(bus._connect(url, user, password), name=f"bus-{name}")
        await asyncio.wait([bus._connecting], timeout=patience)
        if bus._connecting.done():
            bus._connecting.result()
        return bus

    async def _connect(self, url: str, user: str | None, password: str | None) -> None:
        await self._client.connect(
            url.split(","),
            name=self.name,
            user=user,
            password=password,
            inbox_prefix=f"_INBOX_{self.name}",
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_connect,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]  # it is given to asyncio.sleep
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=MAX_PENDING_BYTES,
        )
        await self._on_connect()

    async def _on_error(self, error: Exception) -> None:
        again = not self.connected and self.errors[-1:] == [str(error)]  # each attempt to connect says the same
        self.errors = [*self.errors[-19:], str(error)]
        say = log.debug if again else log.warning
        say("nats reports an error", bus=self.name, error=str(error), kind=type(error).__name__)

    async def _on_connect(self) -> None:
        self._connected.set()
        log.info("connected to nats", bus=self.name)
        self._tell(up=True)

    async def _on_disconnect(self) -> None:
        if self._connected.is_set():
            log.warning("nats is away", bus=self.name)
        self._connected.clear()
        self._tell(up=False)

    def _tell(self, *, up: bool) -> None:
        for watcher in tuple(self._watchers):
            watcher(up)

    @property
    def connected(self) -> bool:
        """Whether NATS can be talked to at this moment."""
        return self._connected.is_set() and self._client.is_connected

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
        self._require()
        subscription = await self._client.subscribe(subject)
        sid = subscription._id  # nats-py has no public name for it
        self._client.direct[sid] = take

        async def stop() -> None:
            self._client.direct.pop(sid, None)
            try:
                await subscription.unsubscribe()
            except Error:
                log.debug("unsubscribed from a connection that is gone", bus=self.name)

        return stop

    async def listen(self, subject: str, on_signal: OnSignal) -> Stop:
        """Call `on_signal(subject, body)` for each message, in the trace that it was sent in."""
        self._require()

        async def receive(message: Msg) -> None:
            token = context.attach(propagate.extract(message.headers or {}))
            try:
                on_signal(message.subject, message.data)
            finally:
                context.detach(token)

        subscription = await self._client.subscribe(subject, cb=receive)
        return subscription.unsubscribe

    async def answer(self, subject: str, reply: Callable[[str, bytes], Awaitable[bytes]]) -> Stop:
        """Answer requests on `subject` with what `reply(subject, body)` returns."""
        self._require()

        async def receive(message: Msg) -> None:
            await message.respond(await reply(message.subject, message.data))

        subscription = await self._client.subscribe(subject, cb=receive)
        return subscription.unsubscribe

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
        if self._connecting and not self._connecting.done():
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        client: Any = self._client
        if not client.is_closed:
            # Told to close while it reconnects, nats-py raises the cancellation of its own task as if it were ours.
            ending = client.drain() if client.is_connected else client.close()
            for failure in filter(None, await asyncio.gather(ending, return_exceptions=True)):
                log.debug("the connection to nats did not close well", bus=self.name, kind=type(failure).__name__)
        self._connected.clear()
