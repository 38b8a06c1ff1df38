"""What the emulators know when they start; everything can be changed later over `/_sandbox`."""

import os
from collections.abc import Mapping

import msgspec

from libs.channels.chat_token import DEFAULT_TENANT, SANDBOX_SECRET
from services.sandbox.contact_people import PEOPLE, SILENT
from services.sandbox.contact_script import Person


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template that Meta approved. With a `body`, the number of its `{{parameters}}` is checked."""

    name: str
    language: str
    body: str = ""
    category: str = "utility"


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


class ErpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The ERP. None for the token lets everybody in."""

    token: str | None = None


class ChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The chat that people open in their browsers: `origin` is where the gateways serve it, None where they do not.

    `visitors` (ids of contacts) have it open from the start; the others once they are asked to.
    """

    origin: str | None = None
    token_secret: str = SANDBOX_SECRET
    tenant: str = DEFAULT_TENANT
    visitors: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole sandbox. `people` are those who answer by a script, `anyone` is everybody else."""

    meta: MetaSettings = MetaSettings()
    erp: ErpSettings = ErpSettings()
    chat: ChatSettings = ChatSettings()
    people: tuple[Person, ...] = PEOPLE
    anyone: Person = SILENT


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.sandbox`: the names of .env.example, `SANDBOX_CALLBACK_URL`, `SANDBOX_CHAT_ORIGIN`."""

    def given(name: str) -> str | None:
        return environment.get(name) or None

    return Settings(
        meta=MetaSettings(
            callback_url=given("SANDBOX_CALLBACK_URL"),
            app_secret=given("WHATSAPP_APP_SECRET") or MetaSettings().app_secret,
            access_token=given("WHATSAPP_ACCESS_TOKEN"),
            phone_id=given("WHATSAPP_PHONE_ID"),
        ),
        erp=ErpSettings(token=given("BACKEND_API_TOKEN")),
        chat=ChatSettings(
            origin=given("SANDBOX_CHAT_ORIGIN"), token_secret=given("CHAT_TOKEN_SECRET") or SANDBOX_SECRET
        ),
    )
