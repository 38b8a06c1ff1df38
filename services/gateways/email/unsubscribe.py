"""Unsubscribing by one click (RFC 8058): a POST of the signed link does it, a GET only asks, because scanners follow links."""

from collections.abc import Callable, Sequence
from html import escape
from uuid import UUID

from litestar import MediaType, Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from events.conversation import MessageRequested
from events.inbound import Unsubscribed
from events.values import ERASED_BODY
from libs.channels.email import normal, read_token
from libs.config.bundle import Bundle
from libs.kit.problems import Problem
from libs.kit.requests import durably
from libs.kit.store import Store
from services.gateways.desk import Desk
from services.gateways.email import door as email_door
from services.gateways.email.door import EmailDoor
from services.gateways.settings import EMAIL

_CONVERSATION = "SELECT conversation FROM gateways.message WHERE tenant = $1 AND message = $2"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title></head>
<body style="font-family:sans-serif;max-width:32em;margin:4em auto;padding:0 1em;line-height:1.5">
<h1 style="font-size:1.3em">{title}</h1>{body}</body></html>
"""
_ASK = """<p>{sender} will send you no more mail. / {sender} आपको और ईमेल नहीं भेजेगा।</p>
<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">
<button style="font-size:1em;padding:.6em 1.2em">Unsubscribe / सदस्यता समाप्त करें</button></form>"""
_DONE = "<p>It is done. / हो गया।</p>"
_BROKEN = """<p>This link is not complete, or not one of ours. Copy all of it from the mail, or answer the mail with STOP. /
यह लिंक अधूरा है। मेल से पूरा लिंक कॉपी करें, या मेल का उत्तर STOP लिखकर दें।</p>"""


def link(origin: str | None, tenant: str, address: str) -> str | None:
    """The link of a message, by its signed address `u+…`; None where nobody could reach it."""
    local = address.partition("@")[0].removeprefix("u+")
    return f"{origin.rstrip('/')}/unsubscribe/{tenant}.{local}" if origin else None


def routes(desk: Desk, door_of: Callable[[Bundle], EmailDoor]) -> Sequence[ControllerRouterHandler]:
    """`GET` and `POST /unsubscribe/{token}`."""

    @get("/unsubscribe/{token:str}", include_in_schema=False, media_type=MediaType.HTML)
    async def ask(token: FromPath[str]) -> Response[str]:
        """A page with a button; nothing changes."""
        try:
            tenant, _ = await _proven(desk, token)
        except Problem as broken:
            return _page("Unsubscribe", _BROKEN, broken.status)
        door = await desk.door(tenant, door_of)
        sender = escape(door.sender.name or door.domain)
        return _page("Unsubscribe", _ASK.format(sender=sender))

    @post("/unsubscribe/{token:str}", status_code=200, tags=["webhooks"], media_type=MediaType.HTML)
    async def unsubscribe(token: FromPath[str]) -> Response[str]:
        """The receiver of the mail wants no more; saying it again changes nothing."""
        tenant, message = await _proven(desk, token)
        await durably(take(desk, tenant, message))
        return _page("Unsubscribed", _DONE)

    return [ask, unsubscribe]


async def take(desk: Desk, tenant: str, message: UUID, address: str | None = None) -> None:
    """Whoever got `message` wants no more. `address` is used where nobody can read any more to whom it went."""
    to = await receiver(desk.store, tenant, message) or address
    if to is None:
        desk.count(EMAIL, "unsubscribed_erased")
        return
    digest = await desk.digest(tenant, EMAIL, normal(to))
    event = Unsubscribed(channel=EMAIL, digest=digest, how="link", sender=normal(to), reference=str(message))
    await desk.take(tenant, EMAIL, f"unsubscribe {message}", event)


async def receiver(store: Store, tenant: str, message: UUID) -> str | None:
    """To whom a message of ours went; None where that is erased or there is no such message."""
    conversation = await store.pool.fetchval(_CONVERSATION, tenant, message)
    if conversation is None:
        return None
    for fact in await store.read_stream(tenant, f"conversation-{conversation}"):
        if fact.id == message and isinstance(fact.event, MessageRequested):
            return fact.event.to if fact.event.to != ERASED_BODY["text"] else None
    return None


async def _proven(desk: Desk, text: str) -> tuple[str, UUID]:
    """The tenant and the message that a token names. Raises Problem 404 for one that we did not sign."""
    tenant, _, signed = text.partition(".") if text.count(".") == 2 else ("", "", "")
    token = read_token(f"u+{signed}@")
    known = tenant and any(each.name == tenant for each in await desk.store.tenants.all())
    message = await email_door.proven(desk.store.keyring, tenant, token, "u") if known else None
    if message is None:
        desk.refuse(EMAIL, "token")
        raise Problem(404, "There is no such link", "the link is not complete, or not one of ours")
    return tenant, message


def _page(title: str, body: str, status: int = 200) -> Response[str]:
    headers = {"cache-control": "no-store", "referrer-policy": "no-referrer", "content-security-policy": _POLICY}
    page = _PAGE.format(title=title, body=body)
    return Response(page, media_type=MediaType.HTML, headers=headers, status_code=status)


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
