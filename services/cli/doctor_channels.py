"""What the doctor says of each channel: its settings, and whether its provider takes its credentials. Nothing is ever sent."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import aiosmtplib
import httpx
import msgspec
from aiosmtplib import SMTPAuthenticationError, SMTPException
from botocore.exceptions import BotoCoreError, ClientError

from libs.channels.chat_token import SHORTEST_SECRET
from libs.channels.whatsapp_outbound import GRAPH_VERSION
from libs.config.bundle import Bundle
from libs.config.secrets import missing, references
from libs.kit import http
from services.gateways.email import door as email_door
from services.gateways.email import smtp as email_smtp
from services.gateways.settings import CHANNELS, CHAT, EMAIL, SMS, WHATSAPP
from services.gateways.settings import Settings as GatewaySettings
from services.gateways.sms import aws as sms_aws
from services.gateways.sms import door as sms_door
from services.gateways.whatsapp import door as whatsapp_door
from services.gateways.whatsapp import templates as whatsapp_templates

GUIDE = "docs/channels.md"
PATIENCE = timedelta(seconds=10)
TAKEN = "the provider takes the credentials"


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at; `advice` says what to do where it is not well."""

    name: str
    well: bool
    found: str
    advice: str = ""


async def checks(bundle: Bundle, environment: Mapping[str, str], profile: str) -> Sequence[Check]:
    """Every text channel of a bundle; a live one's provider is asked something that changes nothing."""
    settings = GatewaySettings(environment=environment, profile=profile)
    found: list[Check] = []
    modes = {name: bundle.channel_mode(name, environment) for name in CHANNELS if name in bundle.settings.channels}
    if "live" in modes.values():
        found.append(_address(bundle, settings))
    async with http.client(timeout=PATIENCE) as client:
        for name, mode in modes.items():
            if mode == "live":
                found += await LOOKS[name](bundle, settings, client)
            else:
                found.append(not_live(bundle, environment, name, mode))
    return found


def not_live(bundle: Bundle, environment: Mapping[str, str], name: str, mode: str) -> Check:
    """The sandbox and a channel that is off are well; what is missing to go live is said."""
    if mode == "off":
        return Check(name, True, "off", f"set enabled: true to use it; see {GUIDE}")
    given = bundle.settings.channels[name].credentials
    provider = bundle.provider(name)
    needed = {key: given.get(key, "") for key in (provider.credentials if provider else ())}
    unset = [ref for text in needed.values() for ref in references(text) if missing({"": text}, environment)]
    return Check(name, True, "sandbox", f"to go live set {', '.join(unset)}; see {GUIDE}" if unset else f"see {GUIDE}")


def _address(bundle: Bundle, settings: GatewaySettings) -> Check:
    """Where the providers reach us: https, and a name that is not this machine's."""
    name, url = "webhook_base_url", settings.resolved(bundle.settings.webhook_base_url)
    if url is None:
        return Check(name, False, "not set", "set webhook_base_url to the https address by which providers reach you")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return Check(name, False, url, "providers post to https only")
    if host == "localhost" or "." not in host.strip(".") or _is_private(host):
        return Check(name, False, url, "no provider can reach this host: write a public name")
    if parts.query or parts.fragment:
        return Check(name, False, url, "leave out what comes after the path: /webhooks/… is appended")
    return Check(name, True, url)


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith((".local", ".internal", ".localhost"))


async def _whatsapp(bundle: Bundle, settings: GatewaySettings, client: httpx.AsyncClient) -> list[Check]:
    """Meta is asked for the phone number that we write from, and for its templates."""
    door = whatsapp_door.door_of(settings, bundle)
    url = door.url(f"/{GRAPH_VERSION}/{door.phone_id}?fields=display_phone_number,verified_name,quality_rating")
    headers = {"authorization": f"Bearer {door.access_token}"}
    account = await _asked(
        WHATSAPP, client, url, {"headers": headers}, "WHATSAPP_PHONE_ID and WHATSAPP_ACCESS_TOKEN", _number
    )
    if not account.well:
        return [account]
    troubles = await whatsapp_templates.findings(bundle, settings, client)
    texts = len(bundle.templates.get(WHATSAPP, {}))
    name = f"{WHATSAPP} templates"
    if not troubles:
        return [account, Check(name, True, f"{texts} of the bundle are registered and approved")]
    well = all(each.trouble == "not_compared" for each in troubles)
    return [
        account,
        Check(name, well, "; ".join(each.says for each in troubles[:5]), "" if well else "see Meta's template manager"),
    ]


def _number(told: Any) -> str:
    return ", ".join(
        str(told[key]) for key in ("display_phone_number", "verified_name", "quality_rating") if told.get(key)
    )


async def _email(bundle: Bundle, settings: GatewaySettings, client: httpx.AsyncClient) -> list[Check]:
    """The mail server is greeted, encrypted and signed in to, and left again."""
    door = email_door.door_of(settings, bundle)
    server = email_smtp.Server(door.host, door.port, door.username, door.password)
    found = [await signed_in(server)]
    answers = f"{EMAIL} answers"
    if door.reply_domain is None:
        advice = "set reply_domain, and let SendGrid Inbound Parse or Mailgun post its mail to /webhooks/email"
        found.append(Check(answers, False, f"they go to {door.sender.address}, where we do not read", advice))
    elif not (door.webhook_secret or door.mailgun_signing_key):
        advice = "set EMAIL_WEBHOOK_SECRET (SendGrid) or MAILGUN_SIGNING_KEY (Mailgun)"
        found.append(Check(answers, False, f"nobody may post the mail to {door.reply_domain}", advice))
    else:
        found.append(Check(answers, True, f"to {door.reply_domain}"))
    return found


async def signed_in(server: email_smtp.Server) -> Check:
    smtp = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        timeout=PATIENCE.total_seconds(),
        use_tls=server.port == email_smtp.TLS_PORT,
        start_tls=False,
        tls_context=server.context(),
    )
    where = f"{server.host}:{server.port}"
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await smtp.connect()
            await smtp.ehlo()
            if server.port != email_smtp.TLS_PORT:
                await smtp.starttls()
                await smtp.ehlo()
            await smtp.login(server.username, server.password)
            await smtp.quit()
    except SMTPAuthenticationError as error:
        return Check(
            EMAIL,
            False,
            f"{where} refuses {server.username} ({error.code})",
            "see EMAIL_SMTP_PASSWORD and EMAIL_SMTP_USERNAME",
        )
    except (SMTPException, OSError, TimeoutError) as error:
        return Check(
            EMAIL, False, f"{where}: {type(error).__name__}", "see smtp_host and smtp_port; STARTTLS or 465 is needed"
        )
    finally:
        smtp.close()
    return Check(EMAIL, True, f"{where}: {TAKEN}")


async def _sms(bundle: Bundle, settings: GatewaySettings, client: httpx.AsyncClient) -> list[Check]:
    """The account is looked up, and the templates' DLT ids are counted."""
    door = sms_door.door_of(settings, bundle)
    if isinstance(door, sms_door.ExotelDoor):
        url = f"{door.base_url.rstrip('/')}/v1/Accounts/{door.account_sid}.json"
        auth = httpx.BasicAuth(door.api_key, door.api_token)
        account = await _asked(
            SMS, client, url, {"auth": auth}, "EXOTEL_SID, EXOTEL_API_KEY and EXOTEL_TOKEN", _account
        )
    else:
        account = await asyncio.to_thread(_aws, door)
    texts = bundle.templates.get(SMS, {}).values()
    without = [each.id for each in texts if each.dlt is None]
    name = f"{SMS} templates"
    if without:
        return [
            account,
            Check(
                name,
                False,
                f"without DLT ids: {', '.join(without)}",
                "register them, and add dlt: {entity_id, template_id}",
            ),
        ]
    return [account, Check(name, True, f"{len(texts)} with DLT ids of 19 digits")]


def _account(told: Any) -> str:
    account = told.get("Account", told) if isinstance(told, dict) else {}
    return ", ".join(str(account[key]) for key in ("Sid", "FriendlyName", "Status") if account.get(key))


def _aws(door: sms_door.AwsDoor) -> Check:
    """The account's SMS attributes: a call of the service itself, that costs and changes nothing."""
    client = sms_aws.made(door, PATIENCE.total_seconds())
    try:
        if door.provider == "sns":
            client.get_sms_attributes()
        else:
            client.describe_account_attributes()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "refused")
        advice = "see the access key; it needs sns:GetSMSAttributes or sms-voice:DescribeAccountAttributes"
        return Check(SMS, False, f"AWS says {code}", advice)
    except BotoCoreError as error:
        return Check(SMS, False, f"AWS: {type(error).__name__}", "see region, and whether this machine reaches AWS")
    finally:
        client.close()
    return Check(SMS, True, f"{door.provider} in {door.region}: {TAKEN}")


async def _chat(bundle: Bundle, settings: GatewaySettings, client: httpx.AsyncClient) -> list[Check]:
    """Nobody has to be asked: the secret is long enough, and the pages are https."""
    secret = settings.credentials(bundle, CHAT)["token_secret"]
    if len(secret.encode()) < SHORTEST_SECRET:
        return [
            Check(
                CHAT, False, f"the token secret has {len(secret.encode())} bytes", f"give it {SHORTEST_SECRET} or more"
            )
        ]
    origins = bundle.settings.channels[CHAT].options.get("allowed_origins")
    if origins is None:
        return [Check(CHAT, True, "any web page may open it", "allowed_origins lets yours only")]
    if plain := [each for each in origins if not str(each).startswith("https://")]:
        return [Check(CHAT, False, f"allowed_origins has {plain[0]}", "write https://host, as browsers send it")]
    return [Check(CHAT, True, f"for {', '.join(origins)}")]


async def _asked(
    name: str,
    client: httpx.AsyncClient,
    url: str,
    how: Mapping[str, Any],
    credentials: str,
    tells: Callable[[Any], str],
) -> Check:
    """A GET of the provider's own, with the credentials."""
    host = urlsplit(url).netloc
    try:
        answer = await client.get(url, **how)
    except httpx.HTTPError as error:
        return Check(
            name, False, f"{host}: {type(error).__name__}", "see base_url, and whether this machine reaches it"
        )
    if answer.status_code != 200:
        return Check(name, False, f"{host} answers {answer.status_code}", f"see {credentials}")
    try:
        return Check(name, True, tells(answer.json()) or TAKEN)
    except ValueError:
        return Check(name, False, f"{host} answers no JSON", "see base_url")


LOOKS: Mapping[str, Callable[[Bundle, GatewaySettings, httpx.AsyncClient], Awaitable[list[Check]]]] = {
    WHATSAPP: _whatsapp,
    EMAIL: _email,
    CHAT: _chat,
    SMS: _sms,
}
