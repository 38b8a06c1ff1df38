"""Email: what SMTP needs to be told, and what answers need to find their way back."""

from collections.abc import Mapping

import msgspec

from libs.config.email import EmailOptions, email_options
from libs.config.findings import Findings
from libs.config.model import ChannelSettings
from libs.config.parsed import Parsed
from libs.config.providers import is_live
from libs.config.tree import Node

EMAIL = "email"
INBOUND = ("webhook_secret", "sendgrid_public_key", "mailgun_signing_key")
LIKE: Mapping[str, str] = {
    "smtp_host": "smtp.sendgrid.net",
    "smtp_port": "587, or 465 for TLS from the start",
    "from_address": "asha@mail.acme.example",
    "from_name": "Asha at Acme",
    "reply_domain": "reply.acme.example",
    "bounce_domain": "bounce.acme.example",
}


def check_email(parsed: Parsed, env: Mapping[str, str], profile: str, found: Findings) -> None:
    settings, root = parsed.settings.value, parsed.settings.node
    channel, node = settings.channels.get(EMAIL), root.at("channels", EMAIL)
    if channel is None:
        return
    options = _options(channel, node, found)
    if not channel.enabled or not is_live(EMAIL, channel.provider, channel.credentials, env):
        return
    for key in ("smtp_host", "from_address"):
        if getattr(options, key) is None:
            found.error(node, f"mail cannot go out without {key}", f"add `{key}: {LIKE[key]}`", line=node.key_line)
    if options.reply_domain is None:
        hint = f"add `reply_domain: {LIKE['reply_domain']}`, whose mail SendGrid or Mailgun posts to /webhooks/email"
        found.warn(node, "answers are found by their Message-IDs only", hint, line=node.key_line)
    elif not any(key in channel.credentials for key in INBOUND):
        hint = "add the credential `webhook_secret` (SendGrid Inbound Parse) or `mailgun_signing_key`"
        found.warn(node, "nothing proves who posts an answer: all are refused", hint, line=node.key_line)
    if not settings.webhook_base_url:
        hint = "add webhook_base_url: Gmail and Yahoo ask for it from whoever writes to many"
        found.warn(node, "mail goes out without one-click unsubscribing", hint, line=node.key_line)


def _options(channel: ChannelSettings, node: Node, found: Findings) -> EmailOptions:
    try:
        return email_options(channel)
    except msgspec.ValidationError as error:
        found.refused(node, error, LIKE)
        return EmailOptions()
