"""Meta's signed webhook: everything that it tells is stored once, and only then acknowledged."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.channels import whatsapp
from libs.channels.outcome import Refused
from libs.channels.whatsapp_items import AddressChange, Inbound, Item, Other, Preference, Status, TemplateUpdate
from libs.config.bundle import Bundle
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.problems import Problem
from libs.kit.requests import durably
from services.gateways.desk import Desk
from services.gateways.settings import WHATSAPP
from services.gateways.whatsapp import facts as facts
from services.gateways.whatsapp.door import WhatsAppDoor
from services.gateways.whatsapp.templates import Templates

log = structlog.get_logger(__name__)

MAX_WEBHOOK = 3 * 1024 * 1024  # bytes; Meta's own bound


def routes(
    desk: Desk, door_of: Callable[[Bundle], WhatsAppDoor], templates: Templates
) -> Sequence[ControllerRouterHandler]:
    """`GET|POST /webhooks/whatsapp` for the only tenant, `/webhooks/{tenant}/whatsapp` for several."""

    @get(["/webhooks/whatsapp", "/webhooks/{tenant:str}/whatsapp"], tags=["webhooks"], media_type="text/plain")
    async def whatsapp_handshake(
        request: Request[Any, Any, Any], tenant: FromPath[str] = DEFAULT_TENANT
    ) -> Response[str]:
        """Meta's handshake: answers the challenge where the verify token is right."""
        door = await desk.door(tenant, door_of)
        return handshake(dict(request.query_params), door.verify_token)

    @post(
        ["/webhooks/whatsapp", "/webhooks/{tenant:str}/whatsapp"],
        status_code=200,
        tags=["webhooks"],
        request_max_body_size=MAX_WEBHOOK,
    )
    async def whatsapp_webhook(
        request: Request[Any, Any, Any], tenant: FromPath[str] = DEFAULT_TENANT
    ) -> Response[None]:
        """Messages and statuses, signed by Meta; 200 means that all of them are stored."""
        door = await desk.door(tenant, door_of)
        items, malformed = read(await request.body(), request.headers.get("x-hub-signature-256"), door)
        await durably(asyncio.gather(*(_take(desk, templates, tenant, item) for item in items)))
        if malformed is not None:
            raise wrong(malformed)
        return Response(None, status_code=200)

    return [whatsapp_handshake, whatsapp_webhook]


def handshake(query: Mapping[str, str], verify_token: str) -> Response[str]:
    """The challenge, or 403."""
    challenge = whatsapp.handshake(query, verify_token)
    if isinstance(challenge, Refused):
        raise Problem(403, "The handshake failed", challenge.reason)
    return Response(challenge, media_type="text/plain")


def read(raw: bytes, signature: str | None, door: WhatsAppDoor) -> tuple[Sequence[Item], whatsapp.Malformed | None]:
    """Everything that a webhook tells, and what is wrong with it. Raises Problem 401 for a wrong signature.

    What cannot be read costs nothing that can: Meta repeats all of it for a week, in which the one may be mended, and the
    other, which may be a stop, must not wait.
    """
    if not whatsapp.verify(raw, signature, door.app_secret):
        Desk.refuse(WHATSAPP, "signature")
        raise Problem(401, "The signature is wrong", "X-Hub-Signature-256 must sign the raw body")
    try:
        return whatsapp.read(raw), None
    except whatsapp.Malformed as malformed:
        return malformed.others, malformed


def wrong(malformed: whatsapp.Malformed) -> Problem:
    """400 for what is no JSON, 422 for another shape."""
    Desk.refuse(WHATSAPP, "shape")
    return Problem(
        400 if malformed.problem.startswith("must be JSON") else 422,
        "The webhook has the wrong shape",
        str(malformed),
        errors=[{"in": "body", "path": malformed.path, "message": malformed.problem}],
    )


async def _take(desk: Desk, templates: Templates, tenant: str, item: Item) -> None:
    """Store what an item tells; what is no fact of ours is counted."""
    match item:
        case Inbound() if facts.is_said(item):
            digest, *others = [await desk.digest(tenant, WHATSAPP, each) for each in item.sender.addresses]
            await desk.take(tenant, WHATSAPP, item.id, facts.received(item, digest, others))
        case Status():
            await desk.take(tenant, WHATSAPP, f"{item.id} {item.state}", facts.status_received(item))
        case Preference(value="stop"):
            told = facts.unsubscribed(item, await desk.digest(tenant, WHATSAPP, facts.address_of(item)))
            # By the keyed digest of the address: the streams' own has no key, and all numbers could be tried against it.
            await desk.take(tenant, WHATSAPP, f"preference {told.digest} {item.category} {item.at.isoformat()}", told)
        case AddressChange():
            digests = [await desk.digest(tenant, WHATSAPP, each) for each in (item.previous, item.current)]
            await desk.take(tenant, WHATSAPP, f"address {item.id}", facts.address_changed(item, *digests))
        case TemplateUpdate():
            desk.count(WHATSAPP, "template_update")
            await templates.told(tenant, item)
        case Other(field="errors" | "account_update" | "account_alerts" | "phone_number_quality_update" as told_of):
            desk.count(WHATSAPP, told_of)
            log.warning("Meta tells of trouble with the account", field=told_of)
        case _:
            desk.count(WHATSAPP, type(item).__name__.lower())
            log.info("a webhook told something that is not a message", item=type(item).__name__)
