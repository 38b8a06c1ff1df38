"""What a call costs by component, by the bundle's dated prices."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from events.values import Cost

if TYPE_CHECKING:
    from voice_service.calls import Call


def costs(call: "Call", at: datetime) -> dict[str, Cost]:
    """What a call took by component, by the bundle's dated prices; a component without a price is left out."""
    pulses = -(-call.seconds // 60)
    used: list[tuple[str, str, Any, float, str | None]] = [
        ("telephony", "exotel", "minute", pulses, None),
        ("stt", "deepgram", "minute", call.stt_bytes / 2 / 8000 / 60, None),
        ("tts", "cartesia", "character", call.characters, None),
        *(("llm", "anthropic", unit, count, category) for (unit, category), count in call.tokens.items()),
    ]
    found: dict[str, Cost] = {}
    for component, provider, unit, count, category in used:
        price = call.bundle.price(provider, unit, at.date(), category)
        if price is None:
            continue
        before = found[component].micros if component in found else 0
        micros = before + round(float(price.minor_units(1)) * 10_000 * count)
        found[component] = Cost(currency=price.currency, micros=micros)
    return found
