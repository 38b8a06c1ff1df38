"""What gateways needs of the bundle and the environment: which channels it serves, live or in the sandbox."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from libs.config import emulators
from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.config.profile import profile_in
from libs.config.secrets import resolve, resolve_all

WHATSAPP = "whatsapp"
EMAIL = "email"
CHAT = "chat"
SMS = "sms"
CHANNELS = (WHATSAPP, EMAIL, CHAT, SMS)
"""The text channels; voice is the voice service's."""
STT = "stt"
"""What transcribes voice notes, among the sandbox's addresses."""


class ChannelOff(Exception):
    """The channel is off for this tenant, or is the sandbox where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`environment` resolves the bundle's `${NAME}`; `sandbox_urls` says by channel where its emulator is.

    In the development profile a live channel writes to its test recipients only, where it names any. `channels` are
    those that this process serves: one deployment may serve them all, or each its own.
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sandbox_urls: Mapping[str, str] = field(default_factory=dict)
    profile: str = "production"
    channels: frozenset[str] = frozenset(CHANNELS)
    objects_url: str | None = field(default=None, repr=False)
    """Where files are kept (libs/kit/objects.py); None keeps none, and what contacts send is not fetched."""
    origin: str | None = None
    """Where contacts reach this installation when the bundle has no webhook_base_url."""
    slots: int = 32
    shard: int = 0

    def mode(self, bundle: Bundle, channel: str) -> ChannelMode:
        """Live or sandbox. Raises ChannelOff."""
        mode = bundle.channel_mode(channel, self.environment)
        if mode == "off":
            raise ChannelOff(f"the channel {channel} is off: enable it in settings.yaml")
        return mode

    def sandbox_url(self, channel: str) -> str:
        """Where the channel's emulator is. Raises ChannelOff."""
        url = self.sandbox_urls.get(channel)
        if url is None:
            raise ChannelOff(f"the channel {channel} has no credentials, and no sandbox runs here")
        return url

    def credentials(self, bundle: Bundle, channel: str) -> dict[str, str]:
        """The channel's credentials out of the environment; what is not set is left out."""
        given = resolve_all(bundle.settings.channels[channel].credentials, self.environment)
        return {name: text for name, text in given.items() if text}

    def resolved(self, text: str | None) -> str | None:
        """A text of the bundle with its `${NAME}` read; None where one is not set."""
        return resolve(text, self.environment)

    def test_recipients(self, bundle: Bundle, channel: str) -> tuple[str, ...] | None:
        """Whom a live channel may write to in the development profile; None: anybody."""
        listed = bundle.settings.channels[channel].test_recipients
        return listed if self.profile == "development" and listed else None


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.gateways`; production unless CONVERSE_PROFILE says otherwise.

    `CONVERSE_CHANNELS` (comma-separated) are the channels of this process; `CONVERSE_SANDBOX_<CHANNEL>_URL` the emulators
    (and `CONVERSE_SANDBOX_STT_URL`); `CONVERSE_OBJECTS_URL` where files are kept, or the folder `objects` under
    CONVERSE_DATA. Raises ValueError for a channel that there is not.
    """
    served = [name.strip() for name in (environment.get("CONVERSE_CHANNELS") or ",".join(CHANNELS)).split(",")]
    if unknown := [name for name in served if name not in CHANNELS]:
        raise ValueError(f"CONVERSE_CHANNELS names {unknown[0]!r}: the text channels are {', '.join(CHANNELS)}")
    return Settings(
        environment=environment,
        sandbox_urls=emulators.urls_in(environment, (*CHANNELS, STT)),
        profile=profile_in(environment, "production"),
        channels=frozenset(served),
        objects_url=objects_url(environment),
        shard=int(environment.get("CONVERSE_SHARD") or 0),
    )


def objects_url(environment: Mapping[str, str]) -> str | None:
    """Where the environment says that files are kept; None where it says nothing."""
    folder = environment.get("CONVERSE_DATA")
    at_home = (Path(folder).expanduser().resolve() / "objects").as_uri() if folder else None
    return environment.get("CONVERSE_OBJECTS_URL") or at_home


def recipients_allow(listed: tuple[str, ...] | None, address: str) -> bool:
    """Whether the list of test recipients, if one binds, has `address`; a trailing `*` stands for any end."""
    return listed is None or any(fnmatchcase(address, pattern) for pattern in listed)
