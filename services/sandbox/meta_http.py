"""The Graph API's paths, and the controls under `/_sandbox/meta`."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.datastructures import UploadFile
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery, JSONBody

from services.sandbox import meta_templates
from services.sandbox.contact_script import File
from services.sandbox.meta import Message, Meta, MetaFault
from services.sandbox.meta_media import PLACES, Media
from services.sandbox.meta_send import GraphError
from services.sandbox.meta_templates import TemplateEvent
from services.sandbox.meta_webhook import Delivery, Saying
from services.sandbox.settings import Template
from services.sandbox.state import deliver

GRAPH = "/sandbox/meta"
"""The path to append to the origin for the base URL of WhatsApp."""
MAX_UPLOAD = 101 * 1024 * 1024  # bytes; a document may have 100 MB

AnyRequest = Request[Any, Any, Any]


class Callback(msgspec.Struct, frozen=True):
    """Where webhooks go. With a `verify_token` the handshake is made first, as Meta does."""

    url: str
    verify_token: str | None = None


class Upload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that a contact is about to send, in base64; in an inbound message it stands by its id."""

    data: bytes
    media_type: str
    name: str | None = None
    spoken: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that Meta tells besides messages, as it writes it."""

    field: str
    value: dict[str, Any]


def graph(meta: Meta) -> Router:
    """What a client of the real Graph API calls."""

    @post("/{version:str}/{phone_id:str}/messages", status_code=200)
    async def messages(version: FromPath[str], phone_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        raw = await request.body()
        try:
            answer, fault = await meta.take(version, phone_id, _token(request), raw)
        except GraphError as error:
            return _refused(error)
        return await deliver(_json(answer), fault.answer, request, fault.seconds)

    @post("/{version:str}/{phone_id:str}/media", status_code=200, request_max_body_size=MAX_UPLOAD)
    async def upload(version: FromPath[str], phone_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        form = await request.form()
        file = form.get("file")
        try:
            meta.admit_to(version, phone_id, _token(request))
            fault = meta.fault("upload")
            if form.get("messaging_product") != "whatsapp" or not form.get("type") or not isinstance(file, UploadFile):
                raise GraphError(131008, "Required parameters: messaging_product, type, file")
        except GraphError as error:
            return _refused(error)
        media = meta.shelf.keep(await file.read(), str(form["type"]), file.filename, uploaded=True)
        return await deliver(_json({"id": media.id}), fault.answer, request, fault.seconds)

    @get("/{version:str}/{media_id:str}")
    async def place(version: FromPath[str], media_id: FromPath[str], request: AnyRequest) -> Response[bytes]:
        """Where a file lies; with the `fields` of a number, the number."""
        try:
            if "display_phone_number" in request.query_params.get("fields", ""):
                meta.admit_to(version, media_id, _token(request))
                return _json(meta.number(media_id))
            meta.admit(_token(request))
            fault = meta.fault("media")
            answer = meta.shelf.place(media_id, str(request.base_url).rstrip("/") + GRAPH)
        except GraphError as error:
            return _refused(error)
        return await deliver(_json(answer), fault.answer, request, fault.seconds)

    @get(PLACES + "/{ticket:str}")
    async def download(ticket: FromPath[str], request: AnyRequest) -> Response[bytes]:
        try:
            meta.admit(_token(request))
            fault = meta.fault("download")
        except GraphError as error:
            return _refused(error)
        found = meta.shelf.read(ticket)
        if found is None:
            return Response(b"", status_code=404, media_type="text/plain")
        media, content = found
        content = content[::-1] + b"?" if fault.corrupt else content
        return await deliver(Response(content, media_type=media.media_type), fault.answer, request, fault.seconds)

    @get("/{version:str}/{business:str}/message_templates")
    async def listed(
        version: FromPath[str],
        business: FromPath[str],
        request: AnyRequest,
        limit: FromQuery[int] = 25,
        after: FromQuery[str | None] = None,
    ) -> Response[bytes]:
        base = f"{str(request.base_url).rstrip('/')}{GRAPH}/{version}"
        try:
            meta.admit(_token(request))
            fault = meta.fault("templates")
            answer = meta_templates.page(meta.templates, business, max(1, min(limit, 100)), after, base)
        except GraphError as error:
            return _refused(error)
        return await deliver(_json(answer), fault.answer, request, fault.seconds)

    return Router(GRAPH, route_handlers=[messages, upload, place, download, listed], include_in_schema=False)


def _token(request: AnyRequest) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _refused(error: GraphError) -> Response[bytes]:
    return _json(error.body(), error.status, error.headers)


def controls(meta: Meta) -> Router:
    """What a test or a demo asks of the emulator itself."""

    @get("/meta/messages", sync_to_thread=False)
    def sent(reference: FromQuery[str | None] = None, to: FromQuery[str | None] = None) -> list[Message]:
        """Everything that was sent, oldest first, of one message id of ours or to one contact where asked."""
        wa_id = to.strip().removeprefix("+") if to else None
        return [
            message
            for message in meta.messages
            if reference in (None, message.reference) and wa_id in (None, message.to)
        ]

    @get("/meta/read-marks", sync_to_thread=False)
    def read_marks() -> list[str]:
        return meta.read_marks

    @get("/meta/typing", sync_to_thread=False)
    def typing() -> list[str]:
        """The messages under which the contact saw that we were typing."""
        return meta.typing

    @get("/meta/media", sync_to_thread=False)
    def media() -> list[Media]:
        """Every file, ours and the contacts'."""
        return meta.shelf.files

    @post("/meta/media", sync_to_thread=False, request_max_body_size=MAX_UPLOAD)
    def keep(data: JSONBody[Upload]) -> Media:
        """A file to be named in an inbound message; what is spoken in it will be heard."""
        return meta.keep(File(media_type=data.media_type, name=data.name, data=data.data, spoken=data.spoken))

    @post("/meta/changes")
    async def change(data: JSONBody[Change]) -> dict[str, str]:
        """A webhook of another field than messages."""
        await meta.change(data.field, data.value)
        return {"told": data.field}

    @post("/meta/templates/events")
    async def template_event(data: JSONBody[TemplateEvent]) -> dict[str, str]:
        """Meta pauses, disables, reinstates … a template, and tells it."""
        try:
            await meta.template(data)
        except ValueError as error:
            raise ValidationException(str(error)) from error
        return {"told": data.event}

    @get("/meta/webhooks", sync_to_thread=False)
    def webhooks() -> list[Delivery]:
        return list(meta.webhooks.deliveries)

    @post("/meta/faults", sync_to_thread=False)
    def add_faults(data: JSONBody[MetaFault | list[MetaFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            meta.faults.add(fault)
        return {"waiting": len(meta.faults)}

    @post("/meta/inbound")
    async def inbound(data: JSONBody[Saying]) -> dict[str, str]:
        return {"id": await meta.say(data)}

    @put("/meta/callback")
    async def callback(data: JSONBody[Callback]) -> dict[str, bool]:
        if data.verify_token is not None:
            return {"subscribed": await meta.webhooks.subscribe(data.url, data.verify_token)}
        meta.webhooks.url = data.url
        return {"subscribed": True}

    @put("/meta/templates", sync_to_thread=False)
    def templates(data: JSONBody[list[Template]]) -> dict[str, int]:
        """The approved templates from now on; before, any was accepted."""
        meta.templates = tuple(data)
        return {"templates": len(data)}

    @put("/meta/unreachable", sync_to_thread=False)
    def unreachable(data: JSONBody[list[str]]) -> dict[str, int]:
        """The phones that have no WhatsApp: 131026 after the acceptance."""
        meta.unreachable = {phone.removeprefix("+") for phone in data}
        return {"unreachable": len(meta.unreachable)}

    @post("/meta/reset", sync_to_thread=False)
    def reset() -> dict[str, str]:
        meta.reset()
        meta.contacts.reset()
        return {"status": "as at the start"}

    handlers = [sent, read_marks, typing, media, keep, change, template_event, webhooks, add_faults, inbound, callback]
    handlers += [templates, unreachable, reset]
    return Router("/_sandbox", route_handlers=handlers, include_in_schema=False)


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")
