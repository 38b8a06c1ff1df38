"""Sound that is ready before it is needed: openings while it rings, and the lines that every call may need at once.

Synthesised by Cartesia's SDK over one pool of connections. Fixed lines are kept in memory and, for the live provider, in a
folder; openings contain names and live in memory only, as long as their call does.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
from cartesia import AsyncCartesia, CartesiaError, DefaultAsyncHttpxClient, omit

from libs.channels.exotel_media import RATE
from voice_service.providers.profiles import CARTESIA, TtsProfile
from voice_service.providers.sockets import tls
from voice_service.providers.speaking import Word

log = structlog.get_logger(__name__)

SAFE = "Ek second, line mein thodi dikkat hai."
"""Said when a provider has failed and nobody has taken over yet."""
AGAIN = "Maaf kijiye, line mein dikkat thi. Aap ek baar phir boliye?"
"""Said when an answer could not be had at all: the contact has the floor."""
FIXED = (SAFE, AGAIN)
TIMEOUT_S = 8.0


class Clip(msgspec.Struct, frozen=True):
    """PCM s16le 8 kHz, and when each word is about spoken."""

    pcm: bytes
    words: list[Word]

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.pcm) / 2 / RATE


@dataclass(slots=True)
class Sounds:
    """What is ready for one call: its own lines, and the fixed ones in its voice."""

    fixed: dict[str, Clip] = field(default_factory=dict)
    own: dict[str, Clip] = field(default_factory=dict)

    def clip(self, text: str) -> Clip | None:
        """The sound of exactly this text, if it is ready."""
        return self.own.get(text) or self.fixed.get(text)

    def audio(self, text: str) -> bytes | None:
        """The same as PCM s16le 8 kHz."""
        clip = self.clip(text)
        return None if clip is None else clip.pcm


class Prepared:
    """The sounds of this process, by voice. `folder` keeps the fixed lines of live voices over a restart."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._fixed: dict[TtsProfile, dict[str, Clip]] = {}
        self._clients: dict[tuple[str, str], AsyncCartesia] = {}
        self._making: dict[tuple[TtsProfile, str], asyncio.Task[Clip | None]] = {}

    def sounds(self, voice: TtsProfile | None) -> Sounds:
        """For one call. `voice` is who speaks first; without one that can prepare, nothing is ready."""
        return Sounds(fixed=self._fixed.setdefault(voice, {}) if voice is not None else {})

    async def fix(self, voice: TtsProfile, lines: Iterable[str]) -> None:
        """Make lines ready that every call in this voice may need; those that cannot be had now are tried by the next."""
        known = self._fixed.setdefault(voice, {})
        for text in [each for each in lines if each not in known]:
            if (clip := await self._once(voice, text)) is not None:
                known[text] = clip

    async def own(self, voice: TtsProfile, text: str) -> Clip | None:
        """A line of one call; not kept here. None where the provider does not give it."""
        return self._fixed.get(voice, {}).get(text) or await self._made(voice, text)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    async def _once(self, voice: TtsProfile, text: str) -> Clip | None:
        """The same line is asked for once, however many calls begin."""
        key = (voice, text)
        if key not in self._making:
            making = asyncio.create_task(self._kept_or_made(voice, text))
            self._making[key] = making
            making.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(self._making[key])

    async def _kept_or_made(self, voice: TtsProfile, text: str) -> Clip | None:
        path = self._path(voice, text)
        if path is not None and (kept := await asyncio.to_thread(_read, path)) is not None:
            return kept
        clip = await self._made(voice, text)
        if path is not None and clip is not None:
            await asyncio.to_thread(_write, path, clip)
        return clip

    async def _made(self, voice: TtsProfile, text: str) -> Clip | None:
        try:
            answer = await self._client(voice).tts.generate(
                model_id=voice.model,
                transcript=text,
                voice=voice.voice_id,
                output_format=cast(Any, {"container": "raw", "encoding": "pcm_s16le", "sample_rate": RATE}),
                language=voice.language,
                generation_config=omit if voice.speed is None else {"speed": voice.speed},
            )
            pcm = await answer.read()
        except CartesiaError as error:
            log.warning("a line could not be prepared", reason=type(error).__name__)
            return None
        pcm = pcm[: len(pcm) & ~1]
        return Clip(pcm, spread(text, len(pcm) / 2 / RATE)) if pcm else None

    def _client(self, voice: TtsProfile) -> AsyncCartesia:
        key = (voice.url, voice.key)
        if key not in self._clients:
            self._clients[key] = AsyncCartesia(
                api_key=voice.key,
                base_url="http" + voice.url.removeprefix("ws"),
                timeout=TIMEOUT_S,
                max_retries=1,
                http_client=DefaultAsyncHttpxClient(verify=tls()),
            )
        return self._clients[key]

    def _path(self, voice: TtsProfile, text: str) -> Path | None:
        """Only the live provider's sound is worth keeping: an emulator's is new at every start."""
        if self._folder is None or not voice.url.startswith("wss"):
            return None
        named = "\n".join((voice.vendor, voice.model, voice.voice_id, voice.language, str(voice.speed), text))
        return self._folder / f"{hashlib.sha256(named.encode()).hexdigest()}.clip"


def able(mouths: Iterable[TtsProfile]) -> TtsProfile | None:
    """The voice whose sound can be prepared: the call's first one, where it is Cartesia's."""
    first = next(iter(mouths), None)
    return first if first is not None and first.vendor == CARTESIA else None


def spread(text: str, seconds: float) -> list[Word]:
    """When each word is about spoken: by its letters, as the SDK's bytes come without times."""
    words = text.split()
    each = seconds / max(1, sum(len(word) + 1 for word in words))
    found: list[Word] = []
    at = 0.0
    for word in words:
        end = at + (len(word) + 1) * each
        found.append((word, round(at, 3), round(end, 3)))
        at = end
    return found


def _read(path: Path) -> Clip | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Clip)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def _write(path: Path, clip: Clip) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.msgpack.encode(clip))
        part.replace(path)
    except OSError:
        log.warning("a prepared line could not be kept", folder=str(path.parent))
