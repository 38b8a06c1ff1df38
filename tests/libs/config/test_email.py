"""What a bundle says of email is checked where it stands: what is no address, what keeps mail in, what keeps answers out."""

from collections.abc import Mapping

import pytest

from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.config.email import email_options
from libs.config.findings import Finding

GOOD = """webhook_base_url: https://hooks.acme.example
channels:
  email:
    enabled: true
    provider: smtp
    smtp_host: smtp.example.com
    smtp_port: 465
    from_address: asha@mail.acme.example
    from_name: Asha
    reply_domain: reply.acme.example
    credentials: {password: "${EMAIL_SMTP_PASSWORD}", webhook_secret: "${EMAIL_WEBHOOK_SECRET}"}
"""
LIVE = {"EMAIL_SMTP_PASSWORD": "x", "EMAIL_WEBHOOK_SECRET": "y"}


def found(settings: str, env: Mapping[str, str] = LIVE) -> tuple[Bundle | None, list[Finding]]:
    loaded = compile_bundle({"settings.yaml": settings}, env, "development")
    return loaded.bundle, [each for each in loaded.findings if "email" in each.path]


def test_a_complete_channel_is_live_and_nothing_is_found():
    bundle, findings = found(GOOD)
    assert findings == []
    assert bundle is not None
    assert bundle.channel_mode("email", LIVE) == "live"
    options = email_options(bundle.settings.channels["email"])
    assert (options.smtp_host, options.smtp_port, options.reply_domain) == (
        "smtp.example.com",
        465,
        "reply.acme.example",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("smtp_host", "smtp://x"),
        ("smtp_port", "70000"),
        ("from_address", "asha"),
        ("from_address", "a@b@c.example"),
        ("reply_domain", "r@reply.acme.example"),
        ("bounce_domain", "localhost"),
    ],
)
def test_a_value_that_cannot_be_meant_is_found_where_it_stands(key: str, value: str):
    lines = [line for line in GOOD.splitlines() if not line.strip().startswith(f"{key}:")]
    lines.insert(5, f"    {key}: {value}")
    bundle, findings = found("\n".join(lines))
    [error] = [each for each in findings if each.severity == "error" and key in each.path]
    assert bundle is None
    assert (error.file, error.line) == ("settings.yaml", 6)
    assert error.hint.startswith("write ")


@pytest.mark.parametrize("key", ["smtp_host", "from_address"])
def test_what_mail_cannot_go_out_without_is_asked_for_when_it_is_live(key: str):
    text = "\n".join(line for line in GOOD.splitlines() if not line.strip().startswith(f"{key}:"))
    assert any(each.severity == "error" and key in each.message for each in found(text)[1])
    assert not any(each.severity == "error" for each in found(text, {})[1])


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("    reply_domain", "answers are found by their Message-IDs only"),
        ("webhook_base_url", "mail goes out without one-click unsubscribing"),
    ],
)
def test_what_keeps_answers_out_is_warned_of(left_out: str, message: str):
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(left_out))
    assert [each.message for each in found(text)[1] if each.severity == "warning"] == [message]


def test_a_reply_domain_at_which_nobody_proves_who_posts_is_warned_of():
    text = GOOD.replace(', webhook_secret: "${EMAIL_WEBHOOK_SECRET}"', "")
    assert [each.message for each in found(text)[1]] == ["nothing proves who posts an answer: all are refused"]
