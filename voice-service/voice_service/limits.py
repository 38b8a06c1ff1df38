"""When a call has to end although nobody wants it to: it has lasted or cost what it may. A line is spoken before."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from events.call import EndReason
from libs.kit.clock import Clock
from voice_service.calls import Call
from voice_service.costs import too_dear

log = structlog.get_logger(__name__)

CLOSING_S = 12
"""How long before its end a call is closed: the telephony provider cuts it off at the end itself."""
EVERY_S = 2.0
CLOSING: Mapping[str, str] = {
    "en": "I am sorry, our time for this call is over. We will get back to you. Thank you, goodbye.",
    "hi": "Maaf kijiye, is call ka samay poora ho gaya hai. Hum aapse phir baat karenge. Dhanyavaad, namaste.",
}

Close = Callable[[str, EndReason], Awaitable[None]]
"""Says a last line and hangs up, for a reason."""


async def watch(call: Call, clock: Clock, close: Close) -> None:
    """Return once the call was closed; it goes on until the last line is spoken."""
    longest = max(1, call.intent.event.max_seconds - CLOSING_S)
    reason: EndReason = "max_duration"
    while (left := longest - call.now_ms() / 1000) > 0:
        await asyncio.sleep(min(EVERY_S, left) if call.money.per_call else left)
        if too_dear(call, clock.now()):
            reason = "budget"
            break
    log.info("a call is closed", reason=reason, seconds=call.seconds, call=str(call.known.call))
    await close(closing(call.intent.event.language), reason)


def closing(language: str | None) -> str:
    """The last words, in the call's language."""
    return CLOSING.get((language or "hi").partition("-")[0].lower(), CLOSING["hi"])
