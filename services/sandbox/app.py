"""Builds the sandbox: the emulators, wired to each other, as one application."""

from collections.abc import Callable, Mapping
from datetime import datetime

import httpx
from litestar import Router, post

from libs.kit import http
from libs.kit.serve import App, Loop
from services.sandbox import anthropic, chat, contact_http, deepgram, erp_http, mail_http, meta_http, sms_http
from services.sandbox.chat import ChatTabs
from services.sandbox.contact import Contacts
from services.sandbox.erp import Erp
from services.sandbox.mail import PostOffice
from services.sandbox.mail_mouth import MailMouth
from services.sandbox.meta import Meta
from services.sandbox.settings import Settings
from services.sandbox.sms_http import SmsProviders
from services.sandbox.sms_network import Network
from services.sandbox.sms_webhook import Webhooks as SmsWebhooks
from services.sandbox.state import Background
from services.sandbox.voice import cartesia, elevenlabs, exotel_http
from services.sandbox.voice.app import Telephony


def base_urls(origin: str) -> Mapping[str, str]:
    """The base URL of each emulator that is served at `origin` (`http://127.0.0.1:8000`)."""
    return {
        "whatsapp": origin + meta_http.GRAPH,
        "sms": origin + sms_http.BASE,
        "email": origin + mail_http.BASE,
        "backend": origin + erp_http.API,
        "llm": origin + anthropic.BASE,
        "stt": origin + deepgram.BASE,
        "tts": origin + cartesia.BASE,
        "tts_elevenlabs": origin + elevenlabs.BASE,
        "telephony": origin + exotel_http.BASE,
    }


def build(settings: Settings, *, now: Callable[[], datetime], client: httpx.AsyncClient | None = None) -> App:
    """The emulators of Meta, the mail providers, the SMS providers, Claude, Deepgram, the ERP and the contacts.

    `now` is the business clock. `client` posts webhooks and stays the caller's; without one the sandbox has its own.
    """
    poster = client or http.client()
    background = Background()
    contacts = Contacts(settings.people, anyone=settings.anyone, background=background)
    ears = deepgram.Deepgram(api_key=settings.stt_api_key, now=now)
    meta = Meta(settings.meta, now=now, client=poster, contacts=contacts, ears=ears, background=background)
    sms = SmsProviders(
        Network(
            settings.sms,
            now=now,
            contacts=contacts,
            background=background,
            webhooks=SmsWebhooks(settings.sms, poster, background),
        )
    )
    mail = PostOffice(settings.mail, now=now, client=poster, contacts=contacts, background=background)
    contacts.speaks("email", MailMouth(mail))
    erp = Erp(settings.erp, now=now)
    tabs = ChatTabs(settings.chat, contacts=contacts, background=background)
    claude = anthropic.AnthropicSandbox(now=now)
    telephony = Telephony(settings.voice, now=now, client=poster, contacts=contacts, ears=ears, background=background)

    @post("/reset", sync_to_thread=False)
    def reset() -> dict[str, str]:
        """Every emulator as at the start."""
        meta.reset()
        mail.reset()
        tabs.reset()
        sms.reset()
        contacts.reset()
        erp.reset()
        claude.reset()
        ears.reset()
        telephony.reset()
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
            sms_http.apis(sms),
            sms_http.controls(sms),
            mail_http.server(mail),
            mail_http.controls(mail),
            contact_http.controls(contacts),
            chat.controls(tabs),
            erp_http.api(erp),
            erp_http.controls(erp),
            *anthropic.routes(claude),
            deepgram.api(ears),
            deepgram.controls(ears),
            *telephony.routes(),
            everything,
        ],
        loops=[Loop("smtp", mail.server.run)],
        close=close,
    )
