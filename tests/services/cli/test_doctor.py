"""The doctor asks each provider whether it takes our credentials, and sends nothing: providers are the emulators, strict ones."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.kit import http
from libs.kit.clock import Clock
from libs.testkit.servers import serving
from services.cli.doctor_channels import Check, checks, signed_in
from services.gateways.email.smtp import Server
from services.sandbox import app as sandbox
from services.sandbox.settings import MailSettings, MetaSettings, SmsSettings, Template
from services.sandbox.settings import Settings as SandboxSettings
from tests.services.cli.conftest import Converse

META = {
    "WHATSAPP_PHONE_ID": "555000111",
    "WHATSAPP_ACCESS_TOKEN": "right",
    "WHATSAPP_VERIFY_TOKEN": "verify",
    "WHATSAPP_APP_SECRET": "secret",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398",
}
WHATSAPP = """
  whatsapp:
    provider: meta
    base_url: {origin}/sandbox/meta
    credentials: {{phone_id: "${{WHATSAPP_PHONE_ID}}", access_token: "${{WHATSAPP_ACCESS_TOKEN}}", verify_token: "${{WHATSAPP_VERIFY_TOKEN}}",
      app_secret: "${{WHATSAPP_APP_SECRET}}", business_account_id: "${{WHATSAPP_BUSINESS_ACCOUNT_ID}}"}}
    default_template: hello
"""
EXOTEL = """
  sms:
    provider: exotel
    base_url: {origin}/sandbox/sms/exotel
    sender_id: ACMECO
    credentials: {{account_sid: "${{SID}}", api_key: "${{KEY}}", api_token: "${{TOKEN}}", webhook_secret: "${{WORD}}"}}
"""
AWS = """
  sms:
    provider: {provider}
    base_url: {{origin}}/sandbox/sms/{path}
    region: ap-south-1
    {option}
    topic_arns: ["arn:aws:sns:ap-south-1:123456789012:sms"]
    credentials: {{{{access_key_id: "${{{{KEY}}}}", secret_access_key: "${{{{TOKEN}}}}"}}}}
"""
CHAT = """
  chat: {{provider: websocket, credentials: {{token_secret: "${{CHAT}}"}}, allowed_origins: ["https://www.acme.example"]}}
"""
EMAIL = """
  email: {{provider: smtp, smtp_host: 127.0.0.1, smtp_port: 1, from_address: asha@acme.example, credentials: {{password: "${{MAIL}}"}}}}
"""
TEXT = "templates: [{id: hello, name: hello, language: en, category: utility, body: 'Hello there'}]\n"
HOOKS = "webhook_base_url: https://hooks.acme.example\n"


@dataclass
class Outside:
    """The emulated providers, which know one set of credentials only."""

    origin: str
    client: httpx.AsyncClient

    def bundle(self, channel: str, environment: Mapping[str, str], *, hooks: str = HOOKS) -> Bundle:
        settings = hooks + "channels:" + channel.format(origin=self.origin)
        texts = {"settings.yaml": settings, "policy.yaml": "policy: {}\n", "templates/whatsapp.yaml": TEXT}
        loaded = compile_bundle(texts, environment, "development")
        assert loaded.bundle is not None, loaded.findings
        return loaded.bundle

    async def says(self, channel: str, environment: Mapping[str, str], *, hooks: str = HOOKS) -> dict[str, Check]:
        found = await checks(self.bundle(channel, environment, hooks=hooks), environment, "production")
        return {each.name: each for each in found}

    async def sent(self) -> list[Any]:
        """Whatever any provider was asked to send."""
        paths = ("meta/messages", "sms/messages", "mail/messages")
        return [each for path in paths for each in (await self.client.get(f"/_sandbox/{path}")).json()]


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    settings = SandboxSettings(
        meta=MetaSettings(
            access_token="right",
            phone_id="555000111",
            templates=(Template(name="hello", language="en", body="Hello there"),),
        ),
        sms=SmsSettings(api_key="key", api_token="token", access_key_id="key"),
        mail=MailSettings(smtp_password="right"),
        people=(),
    )
    async with serving(sandbox.build(settings, now=Clock().now)) as origin, http.client(origin) as client:
        yield Outside(origin, client)


async def test_whatsapp_is_well_when_meta_knows_number_and_templates(outside: Outside):
    said = await outside.says(WHATSAPP, META)
    assert said["whatsapp"].well
    assert "Acme" in said["whatsapp"].found
    assert said["whatsapp templates"].well
    assert said["webhook_base_url"].well
    assert await outside.sent() == []


@pytest.mark.parametrize(("name", "value"), [("WHATSAPP_ACCESS_TOKEN", "wrong"), ("WHATSAPP_PHONE_ID", "555000112")])
async def test_whatsapp_is_not_well_with_another_token_or_number(outside: Outside, name: str, value: str):
    said = await outside.says(WHATSAPP, META | {name: value})
    assert not said["whatsapp"].well
    assert name in said["whatsapp"].advice


async def test_a_template_that_meta_does_not_have_is_told(outside: Outside):
    answer = await outside.client.put("/_sandbox/meta/templates", json=[])
    assert answer.is_success
    said = await outside.says(WHATSAPP, META)
    assert not said["whatsapp templates"].well
    assert "hello" in said["whatsapp templates"].found


@pytest.mark.parametrize(
    ("channel", "right"),
    [
        (EXOTEL, {"SID": "acme1", "KEY": "key", "TOKEN": "token", "WORD": "a-word"}),
        (AWS.format(provider="sns", path="sns", option=""), {"KEY": "key", "TOKEN": "any"}),
        (
            AWS.format(provider="pinpoint", path="sms-voice", option="configuration_set: followup"),
            {"KEY": "key", "TOKEN": "any"},
        ),
    ],
    ids=["exotel", "sns", "pinpoint"],
)
async def test_the_sms_account_is_looked_up_and_a_wrong_key_is_told(
    outside: Outside, channel: str, right: Mapping[str, str]
):
    assert (await outside.says(channel, right))["sms"].well
    wrong = (await outside.says(channel, {**right, "KEY": "another"}))["sms"]
    assert not wrong.well
    assert wrong.advice
    assert await outside.sent() == []


@pytest.mark.parametrize(("password", "well"), [("right", True), ("wrong", False)])
async def test_the_mail_server_is_signed_in_to_and_left_again(outside: Outside, password: str, well: bool):
    told = (await outside.client.get("/sandbox/mail/server")).json()
    check = await signed_in(Server(told["host"], told["port"], "asha", password, told["certificate"]))
    assert check.well is well, check
    assert password not in check.found + check.advice
    assert await outside.sent() == []


async def test_a_mail_server_that_is_not_there_is_told_and_so_are_answers_that_nobody_reads(outside: Outside):
    said = await outside.says(EMAIL, {"MAIL": "right"})
    assert not said["email"].well
    assert "smtp_host" in said["email"].advice
    assert "reply_domain" in said["email answers"].advice


@pytest.mark.parametrize(("secret", "well"), [("x" * 32, True), ("short", False)])
async def test_a_chat_secret_that_can_be_guessed_is_told(outside: Outside, secret: str, well: bool):
    assert (await outside.says(CHAT, {"CHAT": secret}))["chat"].well is well


@pytest.mark.parametrize(
    "hooks",
    [
        "",
        "webhook_base_url: http://hooks.acme.example\n",
        "webhook_base_url: https://10.0.0.7\n",
        "webhook_base_url: https://localhost\n",
    ],
    ids=["none", "http", "private", "this machine"],
)
async def test_an_address_at_which_no_provider_reaches_us_is_told(outside: Outside, hooks: str):
    said = await outside.says(CHAT, {"CHAT": "x" * 32}, hooks=hooks)
    assert not said["webhook_base_url"].well


async def test_without_credentials_every_channel_says_what_it_needs_to_go_live(converse: Converse):
    shown = await converse("doctor", "--json")
    said = {each["name"]: each for each in json.loads(shown.stdout)}
    for channel, name in (
        ("whatsapp", "WHATSAPP_ACCESS_TOKEN"),
        ("email", "EMAIL_SMTP_PASSWORD"),
        ("sms", "EXOTEL_TOKEN"),
        ("chat", "CHAT_TOKEN_SECRET"),
    ):
        assert (said[channel]["well"], said[channel]["found"]) == (True, "sandbox")
        assert name in said[channel]["advice"]
    assert shown.exit_code == 0
