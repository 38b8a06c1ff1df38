"""How patiently an agent takes turns, as the tenant's settings say."""

from libs.domain.endpointing import Endpointing
from libs.domain.floor import INDIAN, Manners, Silence
from voice_service.settings import Voice


def manners(voice: Voice) -> Manners:
    """How the tenant's agent takes turns: the Indian preset, and what the settings say otherwise."""
    endpointing = {"base_ms": INDIAN.endpointing.base_ms, **voice.endpointing}
    silence = {name: getattr(INDIAN.silence, name) for name in Silence.__slots__} | dict(voice.silence)
    return Manners(endpointing=Endpointing(**endpointing), silence=Silence(**silence))
