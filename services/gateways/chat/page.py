"""The widget that a company puts on its web pages, as one script, and a page to try it on."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Response, get
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from libs.channels import chat_token
from libs.config.bundle import Bundle
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.clock import Clock
from libs.kit.problems import Problem
from services.gateways.desk import Desk

HERE = Path(__file__).parent
CONTACT = "c_123"
TOKEN_LASTS = timedelta(hours=1)
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
NOT_SIGNED_IN = (
    "This chat is live: open the page as /widget?contact=ID&amp;token=TOKEN. "
    "<code>converse chat token ID</code> prints a token; on your site your web server signs one."
)


@cache
def widget() -> str:
    """The widget as one script without anything to load: its style, its connection and its view."""
    style = msgspec.json.encode((HERE / "style.css").read_text(encoding="utf-8")).decode()
    parts = [(HERE / name).read_text(encoding="utf-8") for name in ("socket.js", "words.js", "view.js")]
    return "\n".join(["(() => {", '"use strict";', f"const STYLE = {style};", *parts, "})();", ""])


def pages(desk: Desk, door_of: Callable[[Bundle], Any], clock: Clock) -> Sequence[ControllerRouterHandler]:
    """`/widget.js`, the page `/widget`, and tokens for that page where the chat is the sandbox's."""

    @get("/widget.js", include_in_schema=False, sync_to_thread=False)
    def script() -> Response[str]:
        headers = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}
        return Response(widget(), media_type="text/javascript", headers=headers)

    @get("/widget", include_in_schema=False)
    async def page(
        contact: FromQuery[str] = CONTACT,
        token: FromQuery[str] = "",
        tenant: FromQuery[str] = DEFAULT_TENANT,
        lang: FromQuery[str] = "en",
    ) -> Response[str]:
        """A page of a company whose customer has signed in; in the sandbox as anybody."""
        door = await desk.door(tenant, door_of)
        given = {"data-contact": contact, "data-tenant": tenant, "data-lang": lang, "data-open": "true"}
        if token:
            given["data-token"] = token
        elif door.mode == "sandbox":
            given["data-token-url"] = "/widget/token"
        else:
            return _page(f'<p class="note">{NOT_SIGNED_IN}</p>')
        attributes = " ".join(f'{name}="{escape(value)}"' for name, value in given.items())
        return _page(f'<script src="/widget.js" {attributes}></script>')

    @get("/widget/token", include_in_schema=False)
    async def sandbox_token(
        contact: FromQuery[str] = CONTACT, tenant: FromQuery[str] = DEFAULT_TENANT
    ) -> Response[Any]:
        """What the company's web server would answer to its signed-in customer; the sandbox answers anybody."""
        door = await desk.door(tenant, door_of)
        if door.mode != "sandbox":
            raise Problem(404, "No tokens here", "this chat is live: the company's own web server signs its tokens")
        expires_at = clock.machine() + TOKEN_LASTS
        token = chat_token.mint(contact, door.token_secret, tenant=tenant, expires_at=expires_at)
        return Response({"token": token, "expires_at": expires_at}, headers={"cache-control": "no-store"})

    return [script, page, sandbox_token]


def _page(body: str) -> Response[str]:
    html = (HERE / "page.html").read_text(encoding="utf-8").replace("<!-- chat -->", body)
    headers = {"content-security-policy": POLICY, "referrer-policy": "no-referrer", "cache-control": "no-store"}
    return Response(html, media_type=MediaType.HTML, headers=headers)
