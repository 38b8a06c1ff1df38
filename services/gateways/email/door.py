"""A tenant's door to mail: the SMTP account that it writes with, the domains that it is answered at, and who may post there."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from libs.channels.email_address import Mailbox, Purpose, Token, domain_of, is_signed, signed_text, token
from libs.config.bundle import Bundle
from libs.config.email import email_options
from libs.config.model import ChannelMode
from libs.kit.crypto import Keyring
from services.gateways.settings import EMAIL, ChannelOff, Settings, recipients_allow

LOOKUP = "email-token"
"""What the tenant's key signs tokens as: no address's look-up key is one."""


SANDBOX_SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXMzYK6XaAGug4+Vr9wvd+smNMf"
    "NFcj38MYxN/hH6WH3n0IVqguGspAv/ALHLW759Glt/AebfEBjDSvO3zsyLpA=="
)
"""The public half of the key that the emulator signs with, as SendGrid shows its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailDoor:
    """`discovery` (sandbox only) tells the host, the port and the certificate of the emulator's SMTP server.

    Without a domain for replies, answers go to the sender's own address; without one for bounces, bounces do.
    """

    mode: ChannelMode
    sender: Mailbox
    host: str = ""
    port: int = 587
    username: str = ""
    password: str = field(default="", repr=False)
    reply_domain: str | None = None
    bounce_domain: str | None = None
    webhook_secret: str = field(default="", repr=False)
    sendgrid_public_key: str = ""
    mailgun_signing_key: str = field(default="", repr=False)
    origin: str | None = None
    discovery: str | None = None
    test_recipients: tuple[str, ...] | None = None

    def may_write_to(self, address: str) -> bool:
        return recipients_allow(self.test_recipients, address)

    @property
    def domain(self) -> str:
        """The domain of our Message-IDs."""
        return domain_of(self.sender.address)


def sandbox_door(discovery: str, origin: str | None = None) -> EmailDoor:
    """The door to the emulator of services/sandbox: what it takes and signs with is no secret of anybody's."""
    return EmailDoor(
        mode="sandbox",
        sender=Mailbox("asha@mail.sandbox.example", "Asha"),
        username="asha@mail.sandbox.example",
        password="sandbox-smtp-password",  # noqa: S106 - the emulator's own, known to everybody
        reply_domain="reply.sandbox.example",
        bounce_domain="bounce.sandbox.example",
        webhook_secret="sandbox-webhook-secret",  # noqa: S106 - as above
        sendgrid_public_key=SANDBOX_SENDGRID_KEY,
        mailgun_signing_key="sandbox-mailgun-key",
        origin=origin,
        discovery=discovery,
    )


def door_of(settings: Settings, bundle: Bundle) -> EmailDoor:
    """The door that a bundle describes. Raises ChannelOff."""
    mode = settings.mode(bundle, EMAIL)
    origin = settings.resolved(bundle.settings.webhook_base_url) or settings.origin
    options = email_options(bundle.settings.channels[EMAIL])
    if mode == "sandbox":
        door = sandbox_door(settings.sandbox_url(EMAIL), origin)
        sender = Mailbox(options.from_address, options.from_name) if options.from_address else door.sender
        return replace(door, sender=sender)
    if options.smtp_host is None or options.from_address is None:
        raise ChannelOff("the channel email has no smtp_host or no from_address")
    credentials = settings.credentials(bundle, EMAIL)
    return EmailDoor(
        mode=mode,
        sender=Mailbox(options.from_address, options.from_name),
        host=options.smtp_host,
        port=options.smtp_port,
        username=credentials.get("username", options.from_address),
        password=credentials["password"],
        reply_domain=options.reply_domain,
        bounce_domain=options.bounce_domain or options.reply_domain,
        webhook_secret=credentials.get("webhook_secret", ""),
        sendgrid_public_key=credentials.get("sendgrid_public_key", ""),
        mailgun_signing_key=credentials.get("mailgun_signing_key", ""),
        origin=origin,
        test_recipients=settings.test_recipients(bundle, EMAIL),
    )


async def signed(keyring: Keyring, tenant: str, purpose: Purpose, message: UUID) -> str:
    """The local part of an address of ours that leads back to `message`."""
    return token(purpose, message, await keyring.lookup(tenant, LOOKUP, signed_text(purpose, message)))


async def proven(keyring: Keyring, tenant: str, given: Token | None, *purposes: Purpose) -> UUID | None:
    """The message of ours that a token names, if we signed it for one of `purposes`."""
    if given is None or given.purpose not in purposes:
        return None
    mac = await keyring.lookup(tenant, LOOKUP, signed_text(given.purpose, given.message))
    return given.message if is_signed(given, mac) else None
