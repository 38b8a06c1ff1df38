"""The providers that the built channels know: what each needs to be live, what else it may be told, what it counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from libs.config.secrets import resolve

PriceUnit = Literal["message", "minute", "character", "token_in", "token_out", "segment", "exchange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """`credentials` make it live; it can do without the `further` ones; `options` are keys of the channel beside them.

    `unit` is what it takes money for.
    """

    credentials: tuple[str, ...]
    further: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    unit: PriceUnit = "message"


CALLING_NUMBER = "telephony_phone_number"
"""The credential of the channel voice that names our number."""
CALLING_FLOW = "telephony_flow_id"
"""The credential of the channel voice by which calls of ours go through a flow of the carrier's, which can ring somebody else."""
SANDBOX_CALLER = "1600047189"
"""Our number where the sandbox carries calls: of the series that TRAI reserves for service calls."""

_SMS = ("sender_id", "entity_id", "max_segments", "links", "free_text_to")
_AWS = (*_SMS, "region", "max_price", "topic_arns")
_AWS_KEYS = ("access_key_id", "secret_access_key")

PROVIDERS: Mapping[str, Mapping[str, Provider]] = {
    "whatsapp": {
        "meta": Provider(
            credentials=("phone_id", "access_token", "verify_token", "app_secret"), further=("business_account_id",)
        )
    },
    "sms": {
        "exotel": Provider(
            credentials=("account_sid", "api_key", "api_token", "webhook_secret"), options=_SMS, unit="segment"
        ),
        "sns": Provider(credentials=_AWS_KEYS, further=("session_token",), options=_AWS, unit="segment"),
        "pinpoint": Provider(
            credentials=_AWS_KEYS,
            further=("session_token",),
            options=(*_AWS, "configuration_set", "ttl_seconds"),
            unit="segment",
        ),
    },
    "email": {
        "smtp": Provider(
            credentials=("password",),
            further=("username", "webhook_secret", "sendgrid_public_key", "mailgun_signing_key"),
            options=("smtp_host", "smtp_port", "from_address", "from_name", "reply_domain", "bounce_domain"),
        )
    },
    "chat": {"websocket": Provider(credentials=("token_secret",), options=("allowed_origins",))},
    "voice": {
        "exotel": Provider(
            credentials=(
                "telephony_account_sid",
                "telephony_auth_token",
                CALLING_NUMBER,
                "stt_api_key",
                "tts_api_key",
            ),
            further=("telephony_api_key", CALLING_FLOW, "webhook_secret", "elevenlabs_api_key"),
            unit="minute",
        ),
        "sip": Provider(
            credentials=(CALLING_NUMBER, "stt_api_key", "tts_api_key"),
            further=("telephony_username", "telephony_password", "elevenlabs_api_key"),
            options=("trunk_host", "trunk_port", "transport", "from_domain", "codecs"),
            unit="minute",
        ),
    },
}
"""By channel and provider. A channel that is not here is not built yet."""

BUILT_CHANNELS = frozenset(PROVIDERS)
FREE_TEXT = frozenset({"email", "chat", "voice"})
"""The channels that take any words at any time; the others need a registered text for some of what is said."""
WINDOWED = frozenset({"whatsapp"})
"""Of the others those that take any words for a time after the contact wrote; the rest take registered texts only."""


def provider_of(channel: str, name: str) -> Provider | None:
    """The provider of a channel by its name; None where it is not known."""
    return PROVIDERS.get(channel, {}).get(name)


def is_live(channel: str, name: str, credentials: Mapping[str, str], env: Mapping[str, str]) -> bool:
    """Whether all that the provider needs is there; without it the channel is the sandbox's."""
    provider = provider_of(channel, name)
    return provider is not None and all(resolve(credentials.get(each), env) for each in provider.credentials)


def has_flows(carrier: str) -> bool:
    """Whether calls may go through a flow of this provider of the channel voice."""
    provider = provider_of("voice", carrier)
    return provider is not None and CALLING_FLOW in provider.further
