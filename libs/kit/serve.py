"""One Litestar application on one port for any number of services, their loops supervised, their connections drained."""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from types import FrameType
from typing import Any

import structlog
import uvicorn
from litestar import Litestar, MediaType, Response, get
from litestar.enums import ScopeType
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ASGIApp, ControllerRouterHandler, Message, Receive, Scope, Send
from opentelemetry import context
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.kit import problems, telemetry
from libs.kit.cancelling import pause
from libs.kit.failures import describe, passes
from libs.kit.serve_docs import Document, PlainPage

log = structlog.get_logger(__name__)

VERSION = version("converse-agent")
MAX_BODY = 1024 * 1024  # bytes; an `App`'s own handlers may set `request_max_body_size`
DRAIN = timedelta(seconds=20)
LOOP_GRACE = timedelta(seconds=15)
MAX_BACKOFF_S = 30.0
AWAY_BACKOFF_S = 2.0
INTERRUPTED = "a loop was interrupted and is started again"
CRASHED = "a loop crashed and is started again"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
TRY_AGAIN_LATER = 1013  # WebSocket close code

_REQUESTS = telemetry.counter("http_requests", "Requests answered.", "method", "route", "status")
_SECONDS = telemetry.histogram("http_seconds", "Seconds until a request was answered.", "method", "route")
_RESTARTS = telemetry.counter("loop_restarts", "Times that a loop failed and was started again.", "app", "loop")
_RUNNING = telemetry.gauge("loop_running", "1 while a loop runs, 0 while it waits to be started again.", "app", "loop")


@dataclass(frozen=True, slots=True)
class Loop:
    """Work that goes on as long as the process: started again with backoff when it crashes, over when it returns."""

    name: str
    run: Callable[[], Awaitable[None]]


async def always_ready() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class App:
    """A service as `serve` takes it.

    `ready` names what the service depends on, each `ok` (or `ok: …`) or a sentence why not. `drain` runs when the process
    begins to drain: it tells the clients of open sockets to go elsewhere. Until `busy` says no, the process goes on draining
    although no socket is open; `expects` says of a WebSocket that opens meanwhile whether it was promised a place here.
    `close` runs after the loops have ended. `document` is the OpenAPI document of another process whose requests it hands on.
    """

    name: str
    routes: Sequence[ControllerRouterHandler] = ()
    loops: Sequence[Loop] = ()
    ready: Callable[[], Awaitable[Mapping[str, str]]] = always_ready
    drain: Callable[[], None] | None = None
    busy: Callable[[], bool] | None = None
    expects: Callable[[Scope], bool] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    document: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Draining:
    """Whether this process is on its way out, the WebSockets that it still lets finish, and whom it has yet to tell."""

    began: float | None = None
    sockets: int = 0
    to_tell: list[Callable[[], None]] = field(default_factory=list)
    busy: Sequence[Callable[[], bool]] = ()
    expects: Sequence[Callable[[Scope], bool]] = ()

    @property
    def yes(self) -> bool:
        return self.began is not None

    def begin(self) -> None:
        if self.began is None:
            self.began = time.monotonic()
            log.info("draining", sockets=self.sockets)

    def tell(self) -> None:
        """Once draining, let each application know, once."""
        while self.yes and self.to_tell:
            self.to_tell.pop()()

    def over(self, longest: timedelta) -> bool:
        """Nothing is open any more, or we have waited long enough."""
        if self.began is None:
            return False
        idle = self.sockets == 0 and not any(busy() for busy in self.busy)
        return idle or time.monotonic() - self.began > longest.total_seconds()


@dataclass(slots=True)
class Supervisor:
    """Keeps the loops of the applications running."""

    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, app: App) -> None:
        for loop in app.loops:
            self.tasks.append(asyncio.create_task(keep_running(app.name, loop), name=f"{app.name}.{loop.name}"))

    async def stop(self, grace: timedelta = LOOP_GRACE) -> None:
        """Cancel every loop and wait until what it has begun is finished, at most `grace`."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=grace.total_seconds())
            for task in late:
                log.error("a loop did not end in time", loop=task.get_name())


async def keep_running(app: str, loop: Loop, *, first_backoff: float = 0.2) -> None:
    """Run `loop` until it returns or is cancelled; after a failure again, after 0.2 s, 0.4 s … at most 30 s.

    Postgres being away is no crash, and no reason to wait for long once it is back.
    """
    backoff = first_backoff
    running = _RUNNING.labels(app, loop.name)
    with structlog.contextvars.bound_contextvars(app=app, loop=loop.name):
        while True:
            began = time.monotonic()
            running.set(1)
            try:
                await loop.run()
                return
            except Exception as error:
                if passes(error):
                    longest = AWAY_BACKOFF_S
                    log.warning(INTERRUPTED, after_s=backoff, error=describe(error))
                else:
                    longest = MAX_BACKOFF_S
                    log.exception(CRASHED, after_s=backoff)
            finally:
                running.set(0)
            _RESTARTS.labels(app, loop.name).inc()
            if time.monotonic() - began > MAX_BACKOFF_S:
                backoff = first_backoff
            await pause(backoff)
            backoff = min(backoff * 2, longest)


def application(apps: Sequence[App], draining: Draining | None = None) -> Litestar:
    """The one ASGI application of `apps`; its lifespan starts and ends their loops."""
    state = draining or Draining()
    others = {app.name: app.document for app in apps if app.document is not None}

    @get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        """The process turns its loop; says nothing of what it depends on."""
        return {"status": "ok"}

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        """200 while every service can work, 503 otherwise and while draining."""
        checks = dict(zip([app.name for app in apps], await asyncio.gather(*map(_readiness, apps)), strict=True))
        well = all(text == "ok" or text.startswith("ok:") for parts in checks.values() for text in parts.values())
        status = "draining" if state.yes else "ok" if well else "not ready"
        return Response({"status": status, "checks": checks}, status_code=200 if status == "ok" else 503)

    @get("/metrics", include_in_schema=False)
    async def metrics() -> Response[bytes]:
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST}, media_type=MediaType.TEXT)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        supervisor = Supervisor()
        for app in apps:
            supervisor.start(app)
        try:
            yield
        finally:
            await supervisor.stop()
            for app in apps:
                if app.close is not None:
                    await app.close()

    return Litestar(
        [live, ready, metrics, *(route for app in apps for route in app.routes)],
        lifespan=[lifespan],
        middleware=[_drain_sockets(state), _measure],
        exception_handlers=problems.HANDLERS,
        request_max_body_size=MAX_BODY,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="ConverseAgent",
            version=VERSION,
            description="Events in, conversations out. Errors are RFC 9457 problem details.",
            path="/api/docs",
            use_handler_docstrings=True,
            render_plugins=[PlainPage(others), Document(others)],
        ),
    )


async def _readiness(app: App) -> Mapping[str, str]:
    try:
        async with asyncio.timeout(2):
            return await app.ready()
    except Exception as error:
        return {"ready": f"{type(error).__name__}: {error}"}


async def serve(
    apps: Sequence[App],
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[int], object] | None = None,
    *,
    drain: timedelta = DRAIN,
    listener: socket.socket | None = None,
    draining: Draining | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT (or until cancelled), then drain; `draining` tells whether it was a signal.

    `on_ready` is called with the port once it is open (port 0 takes a free one); a `listener` that is open already stays so.
    While draining, `/health/ready` says 503, new WebSockets are refused (but those that an app expects), open ones may finish
    for `drain`, requests are answered; then the loops end. A second signal ends it at once.
    """
    draining = draining or Draining()
    draining.to_tell = [app.drain for app in apps if app.drain is not None]
    draining.busy = [app.busy for app in apps if app.busy is not None]
    draining.expects = [app.expects for app in apps if app.expects is not None]
    config = uvicorn.Config(
        application(apps, draining),
        host=host,
        port=port,
        log_config=None,
        log_level="warning",  # below it, uvicorn logs the addresses of WebSockets, and a chat's has its token
        access_log=False,
        ws_max_size=MAX_BODY,
        ws_per_message_deflate=False,  # frames are short, and its buffers are most of what a silent socket takes
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
        server_header=False,
        lifespan="on",
    )
    server = DrainingServer(config, draining, drain, on_ready)
    sockets = None if listener is None else [listener.dup()]  # uvicorn closes those that it is given
    serving = asyncio.create_task(server.serve(sockets), name="http")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


class DrainingServer(uvicorn.Server):
    """uvicorn cuts open WebSockets as soon as it is told to end; this one lets them finish."""

    def __init__(
        self,
        config: uvicorn.Config,
        draining: Draining,
        longest: timedelta,
        on_ready: Callable[[int], object] | None,
    ) -> None:
        super().__init__(config)
        self._draining = draining
        self._longest = longest
        self._on_ready = on_ready

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._draining.yes:
            self.force_exit = sig == signal.SIGINT
            self.should_exit = True
        self._draining.begin()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(self.servers[0].sockets[0].getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        self._draining.tell()
        if self._draining.over(self._longest):
            self.should_exit = True
        return await super().on_tick(counter)


def _drain_sockets(draining: Draining) -> Callable[[ASGIApp], ASGIApp]:
    def middleware(app: ASGIApp) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.WEBSOCKET:
                await app(scope, receive, send)
                return
            if draining.yes and not any(expects(scope) for expects in draining.expects):
                await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "draining"})
                return
            draining.sockets += 1
            try:
                await app(scope, receive, send)
            finally:
                draining.sockets -= 1

        return call

    return middleware


def _measure(app: ASGIApp) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def listen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with _trace_of(scope):
                await app(scope, receive, listen)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "(other)"  # anybody may make one up
            route = scope.get("path_template") or "(none)"
            _REQUESTS.labels(method, route, status).inc()
            _SECONDS.labels(method, route).observe(time.perf_counter() - began)

    return call


@contextmanager
def _trace_of(scope: Scope) -> Iterator[None]:
    """Go on with the caller's trace, where the request carries one."""
    parent = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
    if parent is None:
        yield
        return
    token = context.attach(telemetry.extract({"traceparent": parent.decode("latin-1")}))
    try:
        yield
    finally:
        context.detach(token)
