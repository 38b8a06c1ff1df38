"""What gateways needs of the bundle and the environment: the door of each channel that it serves."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.config.secrets import resolve, resolve_all

WHATSAPP = "whatsapp"
GRAPH = "https://graph.facebook.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`environment` resolves the bundle's `${NAME}`; `sandbox_base_url` is the emulator's Graph API.

    In the development profile a live channel writes to its test recipients only, where it names any.
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sandbox_base_url: str | None = None
    profile: str = "production"
    channels: frozenset[str] = frozenset({WHATSAPP})
    slots: int = 32
    shard: int = 0


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.gateways`; production unless CONVERSE_PROFILE says otherwise."""
    return Settings(
        environment=environment,
        sandbox_base_url=environment.get("CONVERSE_SANDBOX_META_URL"),
        profile=environment.get("CONVERSE_PROFILE") or "production",
        shard=int(environment.get("CONVERSE_SHARD") or 0),
    )


class ChannelOff(Exception):
    """The channel is off for this tenant, or is the sandbox where there is none."""


@dataclass(frozen=True, slots=True)
class WhatsAppDoor:
    """A tenant's business number: where it is called, by what right, and whom it may write to (None: anybody)."""

    mode: ChannelMode
    base_url: str
    phone_id: str
    access_token: str = field(repr=False)
    verify_token: str = field(repr=False)
    app_secret: str = field(repr=False)
    test_recipients: tuple[str, ...] | None = None

    def may_write_to(self, address: str) -> bool:
        """Whether the list of test recipients, if one binds, has `address`; a trailing `*` stands for any end."""
        if self.test_recipients is None:
            return True
        return any(fnmatchcase(address, pattern) for pattern in self.test_recipients)


def sandbox_door(base_url: str) -> WhatsAppDoor:
    """The door to the emulator of services/sandbox: what it takes and signs with is no secret of anybody's."""
    return WhatsAppDoor(
        mode="sandbox",
        base_url=base_url,
        phone_id="106540352242922",
        access_token="sandbox-access-token",  # noqa: S106 - the emulator takes any
        verify_token="sandbox-verify-token",  # noqa: S106 - whoever subscribes the emulator gives the same
        app_secret="sandbox-app-secret",  # noqa: S106 - the emulator's own, known to everybody
    )


def whatsapp_door(bundle: Bundle, settings: Settings) -> WhatsAppDoor:
    """The door of a tenant's WhatsApp channel. Raises ChannelOff."""
    mode = bundle.channel_mode(WHATSAPP, settings.environment)
    if mode == "off":
        raise ChannelOff("the channel whatsapp is off: enable it in settings.yaml")
    channel = bundle.settings.channels[WHATSAPP]
    if mode == "sandbox":
        if settings.sandbox_base_url is None:
            raise ChannelOff("the channel whatsapp has no credentials, and no sandbox runs here")
        return sandbox_door(settings.sandbox_base_url)
    credentials = {name: text or "" for name, text in resolve_all(channel.credentials, settings.environment).items()}
    binding = settings.profile == "development" and channel.test_recipients
    return WhatsAppDoor(
        mode=mode,
        base_url=resolve(channel.base_url, settings.environment) or GRAPH,
        phone_id=credentials["phone_id"],
        access_token=credentials["access_token"],
        verify_token=credentials["verify_token"],
        app_secret=credentials["app_secret"],
        test_recipients=channel.test_recipients if binding else None,
    )
