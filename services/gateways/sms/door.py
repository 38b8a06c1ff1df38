"""A tenant's account at an SMS provider: Exotel, AWS SNS, or AWS End User Messaging."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from libs.channels.sms import Rules
from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.config.sms import SmsOptions, sms_options
from libs.kit.buckets import Limits
from services.gateways.settings import SMS, Settings, recipients_allow

EXOTEL = "https://api.in.exotel.com"
PROVIDER_PATHS = {"exotel": "/exotel", "sns": "/sns", "pinpoint": "/sms-voice"}
"""Where each provider is below the sandbox's address."""

EXOTEL_LIMITS = Limits(rate=3.0, burst=20.0, concurrency=8)  # 200 requests a minute of one account
AWS_LIMITS = Limits(rate=20.0, burst=20.0, concurrency=16)  # messages a second of an account by default

AwsProvider = Literal["sns", "pinpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExotelDoor:
    """`webhook_secret` is the path segment (or password) by which Exotel's unsigned webhooks are known."""

    mode: ChannelMode
    base_url: str
    account_sid: str
    api_key: str
    api_token: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    options: SmsOptions
    webhook_base_url: str | None = None
    test_recipients: tuple[str, ...] | None = None
    limits: Limits = EXOTEL_LIMITS

    @property
    def rules(self) -> Rules:
        return _rules(self.options)

    def may_write_to(self, address: str) -> bool:
        return recipients_allow(self.test_recipients, address)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsDoor:
    """`endpoint_url` is AWS's own where it is None; an endpoint that stands for AWS keeps its certificates too."""

    mode: ChannelMode
    provider: AwsProvider
    endpoint_url: str | None
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str
    options: SmsOptions
    test_recipients: tuple[str, ...] | None = None
    limits: Limits = AWS_LIMITS

    @property
    def rules(self) -> Rules:
        return _rules(self.options)

    @property
    def stand_in(self) -> str | None:
        """The origin of an endpoint that is not AWS's own."""
        if self.endpoint_url is None:
            return None
        parts = urlsplit(self.endpoint_url)
        return f"{parts.scheme}://{parts.netloc}"

    def may_write_to(self, address: str) -> bool:
        return recipients_allow(self.test_recipients, address)


SmsDoor = ExotelDoor | AwsDoor

EVIDENCE = timedelta(hours=1)
"""How long a callback or event with our id may explain a lost answer. Of SNS none comes: then it counts as sent."""


def door_of(settings: Settings, bundle: Bundle) -> SmsDoor:
    """The tenant's door. Raises ChannelOff."""
    mode = settings.mode(bundle, SMS)
    channel = bundle.settings.channels[SMS]
    options = sms_options(channel)
    if mode == "sandbox":
        return sandbox_door(channel.provider, settings.sandbox_url(SMS), options)
    given = settings.credentials(bundle, SMS)
    base_url = settings.resolved(channel.base_url)
    recipients = settings.test_recipients(bundle, SMS)
    match channel.provider:
        case "sns" | "pinpoint" as provider:
            return AwsDoor(
                mode=mode,
                provider=provider,
                endpoint_url=base_url,
                access_key_id=given["access_key_id"],
                secret_access_key=given["secret_access_key"],
                session_token=given.get("session_token"),
                region=options.region or "",
                options=options,
                test_recipients=recipients,
            )
        case _:
            return ExotelDoor(
                mode=mode,
                base_url=base_url or EXOTEL,
                account_sid=given["account_sid"],
                api_key=given["api_key"],
                api_token=given["api_token"],
                webhook_secret=given["webhook_secret"],
                options=options,
                webhook_base_url=settings.resolved(bundle.settings.webhook_base_url),
                test_recipients=recipients,
            )


def sandbox_door(provider: str, sandbox_url: str, options: SmsOptions) -> SmsDoor:
    """The door to the emulators of services/sandbox: what they take and are known by is no secret of anybody's."""
    url = sandbox_url + PROVIDER_PATHS[provider]
    match provider:
        case "sns" | "pinpoint" as aws:
            topic = "arn:aws:sns:ap-south-1:000000000000:converse-sms"
            return AwsDoor(
                mode="sandbox",
                provider=aws,
                endpoint_url=url,
                access_key_id="AKIASANDBOX",
                secret_access_key="sandbox",  # noqa: S106 - the emulator takes any
                region=options.region or "ap-south-1",
                options=_with(options, topic_arns=(topic,), configuration_set=options.configuration_set or "sandbox"),
            )
        case _:
            return ExotelDoor(
                mode="sandbox",
                base_url=url,
                account_sid="sandbox1",
                api_key="sandbox",
                api_token="sandbox",  # noqa: S106 - the emulator takes any
                webhook_secret="sandbox-sms-secret",  # noqa: S106 - the emulator calls with it, known to everybody
                options=options,
            )


def _rules(options: SmsOptions) -> Rules:
    return Rules(max_segments=options.max_segments, links=options.links, free_text_to=options.free_text_to)


def _with(options: SmsOptions, *, topic_arns: tuple[str, ...], configuration_set: str) -> SmsOptions:
    return msgspec.structs.replace(options, topic_arns=topic_arns, configuration_set=configuration_set)
