"""What the voice service needs of the bundle and the environment: its providers, live or in the sandbox."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.config import emulators
from libs.config.bundle import Bundle
from libs.config.model import ChannelSettings
from libs.config.profile import profile_in
from libs.config.providers import CALLING_FLOW, CALLING_NUMBER, SANDBOX_CALLER, is_live
from libs.config.secrets import resolve, resolve_all
from libs.config.sip import Trunk, trunk_of
from libs.config.voice_models import named
from voice_service.providers.profiles import FALLBACK_MODEL, Chains, chains

VOICE = "voice"
LIVE = {
    "telephony": "https://api.in.exotel.com",
    "stt": "wss://api.deepgram.com",
    "tts": "wss://api.cartesia.ai",
    "llm": "https://api.anthropic.com",
    "tts_elevenlabs": "wss://api.elevenlabs.io",
}
"""The providers' own addresses."""
SOCKETS = ("stt", "tts", "tts_elevenlabs")
SANDBOX_SECRET = "sandbox-voice-secret"  # noqa: S105 - the emulator's own, known to everybody
EXOTEL, SIP = "exotel", "sip"
"""The carriers, as the channel's `provider` names them."""

MOST_WORDS = 80
FEW_WORDS = 50
"""Of an answer, as the specification has it; few where it is to be quick."""


class ChannelOff(Exception):
    """The channel is off for this tenant, or is the sandbox where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One tenant's providers, resolved. `urls` and `keys` by `telephony`, `stt`, `tts`, `llm`, `tts_elevenlabs`; sockets have `ws…` there.

    `carrier` is who carries its calls. `trunk` is the SIP trunk's; Exotel's are `account_sid`, `api_key`, and
    `origin`, which takes the callbacks, in whichever process, `media`, which takes the streams of the calls that this process
    dials, `secret`, which both have in their paths, and `flow`, which leads to us where an account cannot dial into a stream.
    """

    urls: Mapping[str, str]
    keys: Mapping[str, str] = field(repr=False)
    carrier: str
    caller_id: str
    trunk: Trunk | None = None
    account_sid: str = ""
    api_key: str = ""
    secret: str | None = field(repr=False, default=None)
    origin: str = ""
    media: str = ""
    flow: str | None = None
    test_recipients: tuple[str, ...] | None = None

    def hands_over(self, *, came_in: bool) -> bool:
        """Whether a person can be rung in a call: it came in, or was dialled, through a flow of the carrier's."""
        return self.trunk is None and (came_in or self.flow is not None)

    def may_call(self, number: str) -> bool:
        """Whether the list of test recipients, if one binds, has `number`; a trailing `*` stands for any end."""
        listed = self.test_recipients
        return listed is None or any(
            number.startswith(each[:-1]) if each.endswith("*") else number == each for each in listed
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """`voice` of the settings: who hears, thinks and speaks, by which models; how patiently is libs.domain.floor.manners.

    `media_url` is the WebSocket of another runtime that takes the media of our calls (`…/voice/transcript` tells us the words).
    """

    chains: Chains
    media_url: str | None = None
    max_response_words: int = MOST_WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class SipListens:
    """How this process's SIP stack listens. `interface` is a name or an address; None leaves it to the routes. Port 0 is any that is free."""

    interface: str | None = None
    at: str = "0.0.0.0:0"
    rtp_ports: tuple[int, int] = (30000, 31998)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`environment` resolves the bundle's `${NAME}`; `sandbox_urls` says by provider where its emulator is.

    `origin` is where the telephony provider reaches this process (`https://voice-1.example.com`), `worker` its name in the
    media URL where all processes share an origin. `calls` is how many it takes.
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sandbox_urls: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    worker: str | None = None
    profile: str = "production"
    calls: int = 25
    dials_per_second: float = 2.0
    folder: Path | None = None
    """Where prepared lines are kept over a restart; nowhere without it."""
    shard: int = 0
    sip: SipListens = SipListens()
    objects_url: str | None = field(default=None, repr=False)
    """Where recordings lie when the bundle says `local` (libs/kit/objects.py); None: nothing is recorded then."""

    def door(self, bundle: Bundle) -> Door:
        """The tenant's providers. Raises ChannelOff."""
        channel = bundle.settings.channels.get(VOICE)
        if channel is None or not channel.enabled:
            raise ChannelOff("the channel voice is off: enable it in settings.yaml")
        given = {name: text for name, text in resolve_all(channel.credentials, self.environment).items() if text}
        live = is_live(VOICE, channel.provider, channel.credentials, self.environment)
        if not live and not {"telephony", "stt", "tts"} <= set(self.sandbox_urls):
            raise ChannelOff("the channel voice lacks credentials, and no sandbox runs here")
        trunk = trunk_of(channel, given) if live else self._sandbox_trunk(channel)
        if channel.provider == SIP and live and trunk is None:
            raise ChannelOff("the channel voice has no trunk_host")
        urls = dict(LIVE) if live else {**LIVE, **self.sandbox_urls}
        if live and channel.base_url:
            urls["telephony"] = channel.base_url
        llm_key = resolve("${CONVERSE_LLM_API_KEY}", self.environment)
        if bundle.settings.llm.base_url:
            urls["llm"] = resolve(bundle.settings.llm.base_url, self.environment) or urls["llm"]
        elif llm_key is None:
            if "llm" not in self.sandbox_urls:
                raise ChannelOff("there is no key for Claude, and no sandbox runs here")
            urls["llm"] = self.sandbox_urls["llm"]
        listed = channel.test_recipients
        return Door(
            **(self._exotel(bundle, given, live=live) if trunk is None else {"carrier": SIP, "trunk": trunk}),
            urls={name: _socket(url) if name in SOCKETS else url for name, url in urls.items()},
            keys={
                "telephony": given.get("telephony_auth_token", "sandbox"),
                "stt": given.get("stt_api_key", "sandbox"),
                "tts": given.get("tts_api_key", "sandbox"),
                "llm": llm_key or "sandbox",
                **self._second_voice(given, live=live),
            },
            caller_id=given.get(CALLING_NUMBER, SANDBOX_CALLER),
            test_recipients=listed if live and self.profile == "development" and listed else None,
        )

    def _exotel(self, bundle: Bundle, given: Mapping[str, str], *, live: bool) -> dict[str, Any]:
        """What is Exotel's of the door."""
        origin = resolve(bundle.settings.webhook_base_url, self.environment) or self.origin
        if origin is None:
            raise ChannelOff("nobody knows where Exotel reaches us: set webhook_base_url, or CONVERSE_VOICE_ORIGIN")
        sid = given.get("telephony_account_sid", "sandbox")
        return {
            "carrier": EXOTEL,
            "account_sid": sid,
            "api_key": given.get("telephony_api_key", sid),
            "secret": given.get("webhook_secret", SANDBOX_SECRET) if live else SANDBOX_SECRET,
            "origin": origin.rstrip("/"),
            "media": (self.origin or origin).rstrip("/"),
            "flow": given.get(CALLING_FLOW),
        }

    def _sandbox_trunk(self, channel: ChannelSettings) -> Trunk | None:
        """Whoever answers SIP where the sandbox is; without anybody the emulated Exotel carries the calls."""
        url = self.sandbox_urls.get(SIP) if channel.provider == SIP else None
        return Trunk.at(url) if url else None

    def _second_voice(self, given: Mapping[str, str], *, live: bool) -> dict[str, str]:
        """The key of the provider that takes over from the voice; none where it was not given."""
        if live:
            return {"tts_elevenlabs": given["elevenlabs_api_key"]} if "elevenlabs_api_key" in given else {}
        return {"tts_elevenlabs": "sandbox"} if "tts_elevenlabs" in self.sandbox_urls else {}

    @staticmethod
    def voice(bundle: Bundle, door: Door, language: str = "hi") -> Voice:
        """How the tenant's agent speaks."""
        told, llm = bundle.settings.voice, bundle.settings.llm
        first = next(iter(named(told.get("llm"))), None)
        quality = told.get("quality_preset")
        quick, strong = llm.model, llm.fallback_model or FALLBACK_MODEL
        model, other = (strong, quick) if quality == "high_quality" else (quick, strong)
        words = FEW_WORDS if quality == "low_latency" else MOST_WORDS
        return Voice(
            chains=chains(told, door.urls, door.keys, model=model, fallback_model=other, language=language),
            media_url=(told.get("telephony") or {}).get("media_url"),
            max_response_words=int((first.values if first else {}).get("max_response_words", words)),
        )


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m voice_service`: CONVERSE_SANDBOX_{…}_URL by `LIVE`, CONVERSE_VOICE_{ORIGIN,WORKER,CALLS}, CONVERSE_SIP_{INTERFACE,LISTEN,RTP_PORTS}."""
    return Settings(
        environment=environment,
        sandbox_urls=emulators.urls_in(environment, (*LIVE, SIP)),
        origin=environment.get("CONVERSE_VOICE_ORIGIN"),
        worker=environment.get("CONVERSE_VOICE_WORKER") or None,
        profile=profile_in(environment, "production"),
        calls=int(environment.get("CONVERSE_VOICE_CALLS") or 25),
        shard=int(environment.get("CONVERSE_SHARD") or 0),
        sip=_listens(environment),
        folder=Path(environment["CONVERSE_DATA"]).expanduser() / "voice" if environment.get("CONVERSE_DATA") else None,
        objects_url=objects_url(environment),
    )


def _listens(environment: Mapping[str, str]) -> SipListens:
    usual = SipListens()
    first, _, last = (environment.get("CONVERSE_SIP_RTP_PORTS") or "").partition("-")
    return SipListens(
        interface=environment.get("CONVERSE_SIP_INTERFACE") or None,
        at=environment.get("CONVERSE_SIP_LISTEN") or usual.at,
        rtp_ports=(int(first), int(last)) if first and last else usual.rtp_ports,
    )


def objects_url(environment: Mapping[str, str]) -> str | None:
    """Where the environment says that files are kept; None where it says nothing."""
    folder = environment.get("CONVERSE_DATA")
    at_home = (Path(folder).expanduser().resolve() / "objects").as_uri() if folder else None
    return environment.get("CONVERSE_OBJECTS_URL") or at_home


def _socket(url: str) -> str:
    return "ws" + url.removeprefix("http") if url.startswith("http") else url
