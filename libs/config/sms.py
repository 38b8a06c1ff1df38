"""What the settings of the channel sms say beside credentials, read into types."""

from typing import Annotated

import msgspec

from libs.config.model import ChannelSettings

INDIA = "+91"

Sender = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9]{3,11}|\+?[0-9]{4,15})$")]
EntityId = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{19}$")]
CountryCode = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{0,6}$")]
Region = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
Topic = Annotated[str, msgspec.Meta(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")]


class SmsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`sender_id`: header, sender id or number; `max_price` in US dollars a message; `ttl_seconds` until it is too late.

    `links` are the beginnings of addresses that are registered; `free_text_to` those of numbers that take any words.
    """

    sender_id: Sender | None = None
    entity_id: EntityId | None = None
    max_segments: Annotated[int, msgspec.Meta(ge=1, le=10)] = 4
    links: tuple[str, ...] = ()
    free_text_to: tuple[CountryCode, ...] = ()
    region: Region | None = None
    max_price: Annotated[float, msgspec.Meta(gt=0, lt=100)] | None = None
    topic_arns: tuple[Topic, ...] = ()
    configuration_set: str | None = None
    ttl_seconds: Annotated[int, msgspec.Meta(ge=5, le=259_200)] | None = None


def sms_options(channel: ChannelSettings) -> SmsOptions:
    """The options of the channel. Raises msgspec.ValidationError, which the check of the bundle has told before."""
    return msgspec.convert(channel.options, SmsOptions)
