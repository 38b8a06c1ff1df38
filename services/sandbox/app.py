"""Builds the sandbox: the emulators, wired to each other, as one application."""

from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
from litestar import Router, post

from libs.kit import http
from libs.kit.serve import App, Loop
from services.sandbox import anthropic, chat_http, contact_http, erp_http, meta_http
from services.sandbox.chat import Visitors
from services.sandbox.contact import Contacts
from services.sandbox.erp import Erp
from services.sandbox.meta import Meta
from services.sandbox.settings import Settings
from services.sandbox.state import Background


def base_urls(origin: str) -> Mapping[str, str]:
    """The base URL of each emulator that is served at `origin` (`http://127.0.0.1:8000`)."""
    return {
        "whatsapp": origin + meta_http.GRAPH,
        "backend": origin + erp_http.API,
        "llm": origin + anthropic.BASE,
    }


def build(settings: Settings, *, now: Callable[[], datetime], client: httpx.AsyncClient | None = None) -> App:
    """The emulators of Meta, Claude, the ERP and the contacts.

    `now` is the business clock. `client` posts webhooks and stays the caller's; without one the sandbox has its own.
    """
    poster = client or http.client()
    background = Background()
    contacts = Contacts(settings.people, anyone=settings.anyone, background=background)
    meta = Meta(settings.meta, now=now, client=poster, contacts=contacts, background=background)
    visitors = Visitors(settings.chat, contacts=contacts, background=background)
    erp = Erp(settings.erp, now=now)
    claude = anthropic.AnthropicSandbox(now=now)

    @post("/reset", sync_to_thread=False)
    def reset() -> dict[str, str]:
        """Every emulator as at the start."""
        meta.reset()
        visitors.reset()
        contacts.reset()
        erp.reset()
        claude.faults.clear()
        return {"status": "as at the start"}

    async def close() -> None:
        await background.stop()
        if client is None:
            await poster.aclose()

    everything = Router("/_sandbox", route_handlers=[reset], include_in_schema=False)
    return App(
        name="sandbox",
        routes=[
            meta_http.graph(meta),
            meta_http.controls(meta),
            contact_http.controls(contacts),
            chat_http.controls(visitors),
            erp_http.api(erp),
            erp_http.controls(erp),
            *anthropic.routes(claude),
            everything,
        ],
        loops=[Loop("visitors", visitors.arrive)],
        close=close,
    )
