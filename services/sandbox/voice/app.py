"""Builds everything about calls, wired: what the agent says is understood by people, what they say by those who listen."""

from collections.abc import Callable
from datetime import datetime

import httpx
from litestar.types import ControllerRouterHandler

from services.sandbox import deepgram
from services.sandbox.contact import Contacts
from services.sandbox.state import Background
from services.sandbox.voice import cartesia, deepgram_live, elevenlabs, exotel_http, phone_http, synthesis_http
from services.sandbox.voice.cartesia import Cartesia
from services.sandbox.voice.deepgram_live import DeepgramLive
from services.sandbox.voice.elevenlabs import ElevenLabs
from services.sandbox.voice.exotel_calls import ExotelCalls
from services.sandbox.voice.exotel_network import ExotelNetwork
from services.sandbox.voice.hearing import Lexicon
from services.sandbox.voice.phone import Phones
from services.sandbox.voice.phone_people import PHONES
from services.sandbox.voice.settings import VoiceSettings
from services.sandbox.voice.speech import Speaker, espeak
from services.sandbox.voice.synthesis import Synthesis


class Telephony:
    """The carrier, the listeners, the speakers and the phones."""

    def __init__(
        self,
        settings: VoiceSettings,
        *,
        now: Callable[[], datetime],
        client: httpx.AsyncClient,
        contacts: Contacts,
        ears: deepgram.Deepgram,
        background: Background,
    ) -> None:
        command = espeak() if settings.audible else None
        self.peoples_words, self.agents_words = Lexicon(), Lexicon()
        agent = Speaker(command, variant="f3", pitch=1.5)
        self.phones = Phones(
            contacts, Speaker(command, variant="m3"), ears=self.agents_words, mouths=self.peoples_words, phones=PHONES
        )
        self.live = DeepgramLive(self.peoples_words, settings.hearing, admits=ears.admits)
        self.cartesia = Cartesia(Synthesis(agent, self.agents_words, settings.speaking), api_key=settings.cartesia_key)
        self.elevenlabs = ElevenLabs(
            Synthesis(Speaker(command, variant="f2", pitch=1.3), self.agents_words, settings.speaking),
            api_key=settings.elevenlabs_key,
        )
        self.calls = ExotelCalls(settings.exotel, now=now, phones=self.phones, background=background)
        self.network = ExotelNetwork(self.calls, client)

    def reset(self) -> None:
        """As at the start; calls that are on hang up. What the agent's voices have said is still understood."""
        self.calls.reset()
        self.peoples_words.clear()
        self.network.callbacks.clear()
        self.phones.reset()
        self.live.reset()
        self.cartesia.reset()
        self.elevenlabs.reset()

    def routes(self) -> list[ControllerRouterHandler]:
        """The providers' paths and the controls."""
        return [
            deepgram_live.api(self.live, deepgram.BASE),
            deepgram_live.controls(self.live),
            cartesia.api(self.cartesia),
            synthesis_http.controls("cartesia", self.cartesia),
            elevenlabs.api(self.elevenlabs),
            synthesis_http.controls("elevenlabs", self.elevenlabs),
            exotel_http.api(self.calls),
            exotel_http.controls(self.calls, self.network),
            phone_http.controls(self.phones, lambda caller: self.calls.incoming(caller).sid),
        ]
