"""The paths of the emulated Exotel, and its controls under `/_sandbox/exotel`."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath, FromQuery, JSONBody

from services.sandbox.exotel import ExotelError, admit
from services.sandbox.exotel_sms import xml
from services.sandbox.state import deliver
from services.sandbox.voice.exotel_calls import ExotelCalls, ExotelFault, PhoneCall, number_of
from services.sandbox.voice.exotel_network import Callback, ExotelNetwork
from services.sandbox.voice.phone import Moment
from services.sandbox.voice.recording import svg

BASE = "/sandbox/exotel"
"""The path to append to the origin for the API's base URL; `/v1/Accounts/…` is below it."""

AnyRequest = Request[Any, Any, Any]


class Speed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds of a call, its ringing included, pass in one."""

    speed: float


class FlowUrl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The Voicebot applet's URL: a WebSocket, or an address that is asked for one."""

    url: str


class ShownCall(msgspec.Struct, kw_only=True):
    """A call as the emulator saw it; times of the moments are seconds since it was answered."""

    sid: str
    contact: str
    status: str
    answered: bool
    seconds: int
    disconnected_by: str
    digits: str
    custom_field: str | None
    flow: str | None
    heard: list[str]
    moments: list[Moment]
    problems: list[str]


def api(calls: ExotelCalls) -> Router:
    """What clients of Exotel call."""

    @post("/v1/Accounts/{account:str}/Calls/{operation:str}", status_code=200)
    async def connect(account: FromPath[str], operation: FromPath[str], request: AnyRequest) -> Response[bytes]:
        as_json = operation.endswith(".json")
        if operation.removesuffix(".json") != "connect":
            return _refused(ExotelError(404, 34001, "Resource not found"))
        form = {name: str(value) for name, value in (await request.form()).multi_items()}
        try:
            answer, fault = calls.connect(account, request.headers.get("authorization", ""), form)
        except ExotelError as error:
            return _refused(error, as_json=as_json)
        return await deliver(_answer(answer, as_json), fault.answer, request, fault.seconds)

    @get("/v1/Accounts/{account:str}/Calls/{sid:str}", sync_to_thread=False)
    def details(account: FromPath[str], sid: FromPath[str], request: AnyRequest) -> Response[bytes]:
        full = request.query_params.get("details") == "true"
        try:
            told = calls.details(
                account, request.headers.get("authorization", ""), sid.removesuffix(".json"), full=full
            )
        except ExotelError as error:
            return _refused(error, as_json=sid.endswith(".json"))
        return _answer(told, sid.endswith(".json"))

    @get(["/v1/Accounts/{account:str}/Calls", "/v1/Accounts/{account:str}/Calls.json"], sync_to_thread=False)
    def listed(account: FromPath[str], request: AnyRequest) -> Response[bytes]:
        try:
            told = calls.listed(account, request.headers.get("authorization", ""), dict(request.query_params))
        except ExotelError as error:
            return _refused(error)
        return _json(told)

    @get("/v1/Accounts/{account:str}/Numbers/{number:str}", sync_to_thread=False)
    def number(account: FromPath[str], number: FromPath[str], request: AnyRequest) -> Response[bytes]:
        try:
            admit(calls.settings, request.headers.get("authorization", ""))
        except ExotelError as error:
            return _refused(error)
        return _json({"Numbers": number_of(calls.settings, number.removesuffix(".json"))})

    @get("/v1/Accounts/{account:str}/ActiveStreams", sync_to_thread=False)
    def active(account: FromPath[str], request: AnyRequest) -> Response[bytes]:
        try:
            admit(calls.settings, request.headers.get("authorization", ""))
        except ExotelError as error:
            return _refused(error, as_json=False)
        talking = sum(1 for call in calls.calls.values() if call.talker is not None and not call.over.is_set())
        return _answer({"Stream": {"ActiveStreamCount": talking, "ThrottleLimit": calls.settings.streams}}, False)

    @get("/recordings/{account:str}/{file:str}", sync_to_thread=False)
    def recording(account: FromPath[str], file: FromPath[str], request: AnyRequest) -> Response[bytes]:
        try:
            admit(calls.settings, request.headers.get("authorization", ""))
        except ExotelError as error:
            return _refused(error)
        return Response(_known(calls, file.removesuffix(".wav")).recording.wav(), media_type="audio/wav")

    return Router(BASE, route_handlers=[connect, details, listed, number, active, recording], include_in_schema=False)


def controls(calls: ExotelCalls, network: ExotelNetwork) -> Router:
    """What a test or a demo asks of the emulator itself."""

    @get("/calls", sync_to_thread=False)
    def all_calls(to: FromQuery[str | None] = None) -> list[ShownCall]:
        """Every call, oldest first."""
        return [_shown(call) for call in calls.calls.values() if to in (None, call.contact)]

    @get("/calls/{sid:str}", sync_to_thread=False)
    def one(sid: FromPath[str]) -> ShownCall:
        return _shown(_known(calls, sid))

    @get("/calls/{sid:str}/over")
    async def over(sid: FromPath[str]) -> ShownCall:
        """Answers when the call is over."""
        call = _known(calls, sid)
        await call.over.wait()
        return _shown(call)

    @get("/calls/{sid:str}/recording.wav", sync_to_thread=False)
    def recording(sid: FromPath[str]) -> Response[bytes]:
        """Stereo: the contact left, the agent right, as it was heard."""
        return Response(_known(calls, sid).recording.wav(), media_type="audio/wav")

    @get("/calls/{sid:str}/timeline.svg", sync_to_thread=False)
    def timeline(sid: FromPath[str]) -> Response[bytes]:
        """Who spoke when."""
        call = _known(calls, sid)
        picture = svg(call.moments, call.recording.seconds, f"{call.contact}: {call.status}")
        return Response(picture.encode(), media_type="image/svg+xml")

    @post("/calls/{sid:str}/hang-up", status_code=200, sync_to_thread=False)
    def hang_up(sid: FromPath[str]) -> ShownCall:
        """The contact hangs up now."""
        call = _known(calls, sid)
        call.hang_up.set()
        return _shown(call)

    @put("/speed", sync_to_thread=False)
    def speed(data: JSONBody[Speed]) -> Speed:
        """For calls that are placed from now on, until the next reset."""
        if data.speed <= 0:
            raise ValidationException("speed: more than 0")
        calls.settings = msgspec.structs.replace(calls.settings, speed=data.speed)
        return data

    @put("/flow", sync_to_thread=False)
    def flow(data: JSONBody[FlowUrl]) -> FlowUrl:
        """For the flows of all calls, until the next reset."""
        calls.settings = msgspec.structs.replace(calls.settings, flow_stream_url=data.url)
        return data

    @get("/callbacks", sync_to_thread=False)
    def callbacks() -> list[Callback]:
        """Status callbacks with attempts and last answer (0: none)."""
        return network.callbacks

    @post("/faults", sync_to_thread=False)
    def faults(data: JSONBody[ExotelFault | list[ExotelFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            calls.faults.add(fault)
        return {"waiting": len(calls.faults)}

    return Router(
        "/_sandbox/exotel",
        route_handlers=[all_calls, one, over, recording, timeline, hang_up, speed, flow, callbacks, faults],
        include_in_schema=False,
    )


def _known(calls: ExotelCalls, sid: str) -> PhoneCall:
    call = calls.calls.get(sid)
    if call is None:
        raise NotFoundException(f"there is no call {sid}")
    return call


def _shown(call: PhoneCall) -> ShownCall:
    return ShownCall(
        sid=call.sid,
        contact=call.contact,
        status=call.status,
        answered=call.answered_at is not None,
        seconds=call.seconds,
        disconnected_by=call.disconnected_by,
        digits=call.digits,
        custom_field=call.form.get("CustomField"),
        flow=call.form.get("Url"),
        heard=call.talker.heard if call.talker else [],
        moments=call.moments,
        problems=call.problems,
    )


def _answer(answer: dict[str, Any], as_json: bool) -> Response[bytes]:
    return _json(answer) if as_json or not answer else Response(xml(answer).encode(), media_type="application/xml")


def _json(answer: Mapping[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    body = msgspec.json.encode(answer)
    return Response(body, status_code=status, headers=headers or {}, media_type="application/json")


def _refused(error: ExotelError, *, as_json: bool = True) -> Response[bytes]:
    wait = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:g}"}
    if as_json:
        return _json(error.body(), error.status, wait)
    return Response(xml(error.body()).encode(), status_code=error.status, headers=wait, media_type="application/xml")
