"""Where a tenant's WhatsApp leads: Meta's Graph API by its own credentials, or the emulator."""

from dataclasses import dataclass, field

from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from services.gateways.settings import WHATSAPP, Settings, recipients_allow

GRAPH = "https://graph.facebook.com"


@dataclass(frozen=True, slots=True)
class WhatsAppDoor:
    """A tenant's business number: where it is called, by what right, and whom it may write to (None: anybody).

    `business_id` is the WhatsApp business account, whose templates are listed; None: they are not compared.
    """

    mode: ChannelMode
    base_url: str
    phone_id: str
    access_token: str = field(repr=False)
    verify_token: str = field(repr=False)
    app_secret: str = field(repr=False)
    test_recipients: tuple[str, ...] | None = None
    business_id: str | None = None

    def may_write_to(self, address: str) -> bool:
        return recipients_allow(self.test_recipients, address)

    def url(self, path: str) -> str:
        return self.base_url.rstrip("/") + path


def door_of(settings: Settings, bundle: Bundle) -> WhatsAppDoor:
    """The door that a bundle and the environment open. Raises ChannelOff."""
    mode = settings.mode(bundle, WHATSAPP)
    if mode == "sandbox":
        return sandbox_door(settings.sandbox_url(WHATSAPP))
    channel = bundle.settings.channels[WHATSAPP]
    credentials = settings.credentials(bundle, WHATSAPP)
    return WhatsAppDoor(
        mode=mode,
        base_url=settings.resolved(channel.base_url) or GRAPH,
        phone_id=credentials["phone_id"],
        access_token=credentials["access_token"],
        verify_token=credentials["verify_token"],
        app_secret=credentials["app_secret"],
        test_recipients=settings.test_recipients(bundle, WHATSAPP),
        business_id=credentials.get("business_account_id"),
    )


def sandbox_door(base_url: str) -> WhatsAppDoor:
    """The door to the emulator of services/sandbox: what it takes and signs with is no secret of anybody's."""
    return WhatsAppDoor(
        mode="sandbox",
        base_url=base_url,
        phone_id="106540352242922",
        access_token="sandbox-access-token",  # noqa: S106 - the emulator takes any
        verify_token="sandbox-verify-token",  # noqa: S106 - whoever subscribes the emulator gives the same
        app_secret="sandbox-app-secret",  # noqa: S106 - the emulator's own, known to everybody
        business_id="102290129340398",
    )
