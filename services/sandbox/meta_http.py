"""The Graph API's paths, and the controls under `/_sandbox/meta`."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from services.sandbox.meta import Message, Meta, MetaFault
from services.sandbox.meta_send import GraphError
from services.sandbox.meta_webhook import Delivery, Saying
from services.sandbox.settings import Template
from services.sandbox.state import deliver

GRAPH = "/sandbox/meta"
"""The path to append to the origin for the base URL of WhatsApp."""


class Callback(msgspec.Struct, frozen=True):
    """Where webhooks go. With a `verify_token` the handshake is made first, as Meta does."""

    url: str
    verify_token: str | None = None


def graph(meta: Meta) -> Router:
    """What a client of the real Graph API calls."""

    @post("/{version:str}/{phone_id:str}/messages", status_code=200)
    async def messages(
        version: FromPath[str], phone_id: FromPath[str], request: Request[Any, Any, Any]
    ) -> Response[bytes]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        raw = await request.body()
        try:
            answer, fault = await meta.take(version, phone_id, token if scheme.lower() == "bearer" else None, raw)
        except GraphError as error:
            return _json(error.body(), error.status, error.headers)
        return await deliver(_json(answer), fault.answer, request, fault.seconds)

    return Router(GRAPH, route_handlers=[messages], include_in_schema=False)


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

    handlers = [sent, read_marks, webhooks, add_faults, inbound, callback, templates, unreachable, reset]
    return Router("/_sandbox", route_handlers=handlers, include_in_schema=False)


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")
