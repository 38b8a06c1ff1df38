"""The sandbox as voice tests need it: calls in a fraction of their time, providers without delay, tones for speech."""

import pytest

from services.sandbox.settings import MetaSettings, Settings
from services.sandbox.voice.settings import ExotelSettings, Pace, SynthesisPace, VoiceSettings
from tests.services.sandbox.conftest import SECRET, business, clock, sandbox

__all__ = ["business", "clock", "sandbox"]


@pytest.fixture
def voice() -> VoiceSettings:
    """What a module or class overrides."""
    return VoiceSettings(
        exotel=ExotelSettings(speed=20, callback_backoff=0.01),
        hearing=Pace(),
        speaking=SynthesisPace(first_byte_ms=0, real_time_factor=0),
        audible=False,
    )


@pytest.fixture
def settings(voice: VoiceSettings) -> Settings:
    return Settings(meta=MetaSettings(app_secret=SECRET), voice=voice)
