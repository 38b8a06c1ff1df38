"""What is asked of the voice service over HTTP: status callbacks and the media WebSocket."""

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from litestar import Request, Response, asgi, post, route
from litestar.enums import ScopeType
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from libs.channels import exotel, exotel_media
from libs.channels.sms_items import Malformed
from libs.kit.auth import DEFAULT_TENANT, Auth
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from voice_service.elsewhere import CallEnded, Elsewhere, Transcript
from voice_service.exotel_media import UNKNOWN_CALL, ExotelMedia
from voice_service.flow import Flow
from voice_service.settings import Door
from voice_service.telephony import Talks, Told
from voice_service.transfers import Transfers

log = structlog.get_logger(__name__)

START_S = 10.0
"""How long a stream may take to say whose it is."""
DoorOf = Callable[[str], Awaitable[Door]]


def routes(
    door_of: DoorOf,
    told: Told,
    talks: Talks,
    elsewhere: Elsewhere,
    flow: Flow,
    transfers: Transfers,
    auth: Auth,
    clock: Clock,
) -> list[ControllerRouterHandler]:
    """The service's paths. `told` takes a provider's status, `talks` holds the conversation of an answered call."""

    async def admitted(tenant: str, secret: str) -> Door:
        door = await door_of(tenant)
        if door.secret is None or not hmac.compare_digest(secret.encode(), door.secret.encode()):
            raise Problem(401, "The path is wrong", "its secret is none of ours")
        return door

    @post("/api/v1/voice/status/{tenant:str}/{secret:str}", status_code=200)
    async def status(tenant: FromPath[str], secret: FromPath[str], request: Request[Any, Any, Any]) -> Response[None]:
        """A status callback, in any of Exotel's forms; one that we do not know is taken, too."""
        await admitted(tenant, secret)
        await _taken(tenant, request, told, clock)
        return Response(None)

    @post("/api/v1/voice/status/{secret:str}", status_code=200)
    async def status_of_default(secret: FromPath[str], request: Request[Any, Any, Any]) -> Response[None]:
        """As above, for the one tenant."""
        await admitted(DEFAULT_TENANT, secret)
        await _taken(DEFAULT_TENANT, request, told, clock)
        return Response(None)

    @route("/api/v1/voice/flow/{tenant:str}/{secret:str}", http_method=["GET", "POST"], status_code=200)
    async def reached(tenant: FromPath[str], secret: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, str]:
        """A flow's Voicebot applet asks where the media of its call go."""
        door = await admitted(tenant, secret)
        try:
            asked = exotel.read_flow(await _given(request))
        except Malformed as error:
            raise Problem(400, "No call of a flow's", str(error)) from error
        return {"url": await flow.reached(tenant, door, asked)}

    @route("/api/v1/voice/flow/{tenant:str}/{secret:str}/next", http_method=["GET", "POST"], status_code=200)
    async def next_(tenant: FromPath[str], secret: FromPath[str], request: Request[Any, Any, Any]) -> Response[None]:
        """A Passthru applet behind the Voicebot: 200 where a person is to be rung now, else 302."""
        await admitted(tenant, secret)
        ref = str((await _given(request)).get("CallSid", ""))
        return Response(None, status_code=200 if await transfers.is_wanted(tenant, ref) else 302)

    @route("/api/v1/voice/flow/{tenant:str}/{secret:str}/connect", http_method=["GET", "POST"], status_code=200)
    async def connect(
        tenant: FromPath[str], secret: FromPath[str], request: Request[Any, Any, Any]
    ) -> Mapping[str, Any]:
        """The Connect applet asks whom to ring."""
        await admitted(tenant, secret)
        return await transfers.connect(tenant, str((await _given(request)).get("CallSid", "")))

    @route("/api/v1/voice/flow/{tenant:str}/{secret:str}/after", http_method=["GET", "POST"], status_code=200)
    async def after(tenant: FromPath[str], secret: FromPath[str], request: Request[Any, Any, Any]) -> Response[None]:
        """A Passthru applet behind Connect tells what became of it; once, and of what we know nothing of it changes nothing."""
        await admitted(tenant, secret)
        try:
            ref, outcome, seconds = exotel.read_after(await _given(request))
        except Malformed as error:
            raise Problem(400, "No call of a flow's", str(error)) from error
        await transfers.over(tenant, ref, outcome, seconds)
        return Response(None)

    @asgi("/api/v1/voice/media/{worker:str}/{tenant:str}/{secret:str}", copy_scope=True)
    async def media(scope: Scope, receive: Receive, send: Send) -> None:
        """The media stream of an answered call. `worker` is for the ingress, which sends it to the process that dialled."""
        if scope["type"] != ScopeType.WEBSOCKET:
            raise Problem(404, "There is only a WebSocket here", "Exotel opens it when a call is answered")
        parameters = scope["path_params"]
        tenant = str(parameters["tenant"])
        await admitted(tenant, str(parameters["secret"]))
        socket = WebSocket(scope, receive, send)  # type: ignore[arg-type] # ASGI's own types
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            try:
                async with asyncio.timeout(START_S):
                    started = await _start(socket)
            except TimeoutError:
                started = None
            if started is None or started.call is None:
                await socket.close(UNKNOWN_CALL)
                return
            await talks(tenant, ExotelMedia(socket, started))

    @post("/api/v1/voice/transcript", status_code=200)
    async def transcript(data: JSONBody[Transcript], request: Request[Any, Any, Any]) -> dict[str, Any]:
        """What was said in a call whose media run elsewhere; the answer is what to say next."""
        caller = await auth.caller(request, "context:write")
        return await elsewhere.transcript(caller.tenant, data)

    @post("/api/v1/voice/call-ended", status_code=200)
    async def call_ended(data: JSONBody[CallEnded], request: Request[Any, Any, Any]) -> dict[str, Any]:
        """A call whose media ran elsewhere is over."""
        caller = await auth.caller(request, "context:write")
        return await elsewhere.ended(caller.tenant, data)

    return [status, status_of_default, reached, next_, connect, after, media, transcript, call_ended]


async def _taken(tenant: str, request: Request[Any, Any, Any], told: Told, clock: Clock) -> None:
    fields = await _fields(request)
    try:
        said = exotel.read_callback(fields, clock.now())
    except Malformed as error:
        raise Problem(400, "No status callback", str(error)) from error
    if said is not None:
        await told(tenant, said)


async def _given(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """What an applet tells, in the query or the body."""
    given = dict(request.query_params) if request.method == "GET" else await _fields(request)
    return {name: str(value) for name, value in given.items()}


async def _fields(request: Request[Any, Any, Any]) -> Mapping[str, Any]:
    kind, _ = request.content_type
    if kind == "application/json":
        try:
            return msgspec.json.decode(await request.body(), type=dict[str, Any])
        except msgspec.MsgspecError as error:
            raise Problem(400, "No status callback", "the body must be a JSON object") from error
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    return dict(await request.form())


async def _start(socket: WebSocket) -> exotel_media.Started | None:
    """The stream's first words: `connected`, then `start`."""
    for _ in range(3):
        frame = exotel_media.read(await socket.receive_text())
        if isinstance(frame, exotel_media.Started):
            return frame
    return None
