"""What the emulators know when they start; everything can be changed later over `/_sandbox`."""

import os
from collections.abc import Mapping
from typing import Literal

import msgspec

from libs.channels.chat_token import SANDBOX_SECRET
from services.sandbox.contact_people import PEOPLE, SILENT
from services.sandbox.contact_script import Person
from services.sandbox.voice.settings import VoiceSettings


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template that is registered. With a `body`, the number of its `{{parameters}}` is checked.

    Only an approved (or flagged) one is sent; `header` is TEXT, IMAGE, VIDEO or DOCUMENT.
    """

    name: str
    language: str
    body: str = ""
    category: str = "utility"
    status: str = "APPROVED"
    header: str | None = None


class MetaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Meta's Graph API. None for a token, a phone id or the templates accepts any; waits are in seconds."""

    callback_url: str | None = None
    app_secret: str = "sandbox-app-secret"  # noqa: S105 - the emulator's own, known to everybody
    access_token: str | None = None
    phone_id: str | None = None
    display_number: str = "918047491899"
    templates: tuple[Template, ...] | None = None
    delivered_after: float = 0.2
    read_after: float = 0.3
    pair_rate: float | None = None
    """Least seconds of business time between two messages to one contact, else 131056; the real one is 6."""
    webhook_attempts: int = 12
    webhook_backoff: float = 0.1
    """Before the second attempt; doubled each time, at most 5 s. The real Meta goes on for 7 days."""
    webhook_timeout: float = 5.0


class ChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The web chat: where its WebSocket is (`ws://host:port`; None: nobody can chat), and what signs the tokens."""

    url: str | None = None
    token_secret: str = SANDBOX_SECRET


class SmsTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A text as DLT has registered it, with `{#var#}` for its variables; `header`: only under this sender."""

    entity_id: str
    template_id: str
    body: str
    header: str | None = None


class SmsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Exotel, SNS and End User Messaging. None for a key or the templates accepts any; waits are in seconds.

    `callback_url` is `…/webhooks/sms` of the business; Exotel's callbacks go to its secret path below, SNS's topic posts to
    it. `origin` is where this sandbox is reached, for the addresses in SNS's envelopes (else as it was last called).
    """

    callback_url: str | None = None
    origin: str | None = None
    webhook_secret: str = "sandbox-sms-secret"  # noqa: S105 - the emulator's own, known to everybody
    api_key: str | None = None
    api_token: str | None = None
    access_key_id: str | None = None
    default_provider: Literal["exotel", "sns", "pinpoint"] = "exotel"
    exophone: str = "08047491899"
    number: str = "+14255550101"
    topic: str = "arn:aws:sns:ap-south-1:000000000000:converse-sms"
    templates: tuple[SmsTemplate, ...] | None = None
    delivered_after: float = 0.2
    webhook_attempts: int = 12
    webhook_backoff: float = 0.1
    """Before the second attempt; doubled each time, at most 5 s. The real ones wait 20 s and 5 minutes."""
    webhook_timeout: float = 5.0


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """SMTP and the mail providers behind it. None for the password accepts any; waits are in seconds.

    `callback_url` is `…/webhooks/email` of the business; port 0 takes a free one.
    """

    callback_url: str | None = None
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 0
    smtp_password: str | None = None
    webhook_secret: str = "sandbox-webhook-secret"  # noqa: S105 - the emulator's own, known to everybody
    mailgun_key: str = "sandbox-mailgun-key"
    provider: Literal["sendgrid_raw", "sendgrid", "mailgun", "mailgun_mime"] = "sendgrid_raw"
    """Who brings the contacts' mails."""
    address: str = "asha@reply.sandbox.example"
    """Where a contact writes who answers no mail of ours."""
    delivered_after: float = 0.2
    webhook_attempts: int = 12
    webhook_backoff: float = 0.1
    webhook_timeout: float = 5.0


class ErpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The ERP. None for the token lets everybody in."""

    token: str | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole sandbox. `people` are those who answer by a script, `anyone` is everybody else."""

    meta: MetaSettings = MetaSettings()
    sms: SmsSettings = SmsSettings()
    mail: MailSettings = MailSettings()
    erp: ErpSettings = ErpSettings()
    chat: ChatSettings = ChatSettings()
    voice: VoiceSettings = VoiceSettings()
    people: tuple[Person, ...] = PEOPLE
    anyone: Person = SILENT
    stt_api_key: str | None = None
    """Deepgram's; None lets everybody in."""


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.sandbox`: the names of .env.example, and `SANDBOX_…`."""

    def given(name: str) -> str | None:
        return environment.get(name) or None

    return Settings(
        meta=MetaSettings(
            callback_url=given("SANDBOX_CALLBACK_URL"),
            app_secret=given("WHATSAPP_APP_SECRET") or MetaSettings().app_secret,
            access_token=given("WHATSAPP_ACCESS_TOKEN"),
            phone_id=given("WHATSAPP_PHONE_ID"),
        ),
        sms=SmsSettings(callback_url=given("SANDBOX_SMS_CALLBACK_URL"), origin=given("SANDBOX_ORIGIN")),
        mail=MailSettings(
            callback_url=given("SANDBOX_EMAIL_CALLBACK_URL"),
            smtp_host=given("SANDBOX_SMTP_HOST") or MailSettings().smtp_host,
            smtp_port=int(given("SANDBOX_SMTP_PORT") or 0),
        ),
        erp=ErpSettings(token=given("BACKEND_API_TOKEN")),
        chat=ChatSettings(
            url=given("SANDBOX_CHAT_URL"), token_secret=given("CHAT_TOKEN_SECRET") or ChatSettings().token_secret
        ),
        stt_api_key=given("STT_API_KEY"),
    )
