"""The cast of the LLM tests: a running emulator of the Messages API, and Priya's overdue invoice."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import uvicorn
from litestar import Litestar

from libs.llm.turn import IntentOffer, TurnRequest, Utterance
from services.sandbox.anthropic import BASE, AnthropicSandbox, routes

MORNING = datetime(2026, 2, 16, 10, 30, tzinfo=ZoneInfo("Asia/Kolkata"))
MODEL = "claude-haiku-5-5"
FALLBACK = "claude-sonnet-5-5"
PROMISE = "Haan ji, 20 February tak kar denge"
ASK_DATE = "Call Priya about the invoice. Be professional but firm. Ask for a specific payment date."
INTENTS = (
    IntentOffer("promise_to_pay", "says when they will pay"),
    IntentOffer("already_paid", "says that it is paid already"),
    IntentOffer("dispute", "disputes the invoice"),
    IntentOffer("opt_out", "does not want to be contacted"),
    IntentOffer("ask_invoice", "asks for a copy of the invoice"),
)
INVOICE = {
    "contact_name": "Priya Sharma",
    "entity_type": "invoice",
    "entity_id": "INV-2026-0042",
    "business_context": {
        "invoice_number": "INV-2026-0042",
        "amount": 52400,
        "currency": "INR",
        "due_date": "2026-01-30",
    },
}


def said(*texts: str) -> tuple[Utterance, ...]:
    """Messages of the contact."""
    return tuple(Utterance(role="contact", text=text, channel="whatsapp", at=MORNING) for text in texts)


def turn(*unread: str, **changes: Any) -> TurnRequest:
    """A turn about Priya's invoice: understand and answer what she wrote."""
    given: dict[str, Any] = {
        "wants": "both",
        "now": MORNING,
        "persona": "You write for Acme Traders.",
        "instructions": ASK_DATE,
        "intents": INTENTS,
        "context": INVOICE,
        "unread": said(*unread),
        "channel": "whatsapp",
    }
    return TurnRequest(**given | changes)


@asynccontextmanager
async def running(state: AnthropicSandbox) -> AsyncIterator[str]:
    """The emulator on a free port; gives the base URL for the SDK."""
    app = Litestar(routes(state), openapi_config=None)
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    started = asyncio.Event()

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        started.set()
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    server = uvicorn.Server(uvicorn.Config(watched, log_level="critical", lifespan="on", ws="none"))
    serving = asyncio.create_task(server.serve([listening]))
    await started.wait()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{BASE}"
    finally:
        server.should_exit = True
        await serving
        listening.close()
