"""What the settings of the channel email say beside credentials, read into types."""

from typing import Annotated

import msgspec

from libs.config.model import ChannelSettings

Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
Domain = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}$")]
Address = Annotated[str, msgspec.Meta(pattern=r"^[^\s@<>(),;:\"]{1,64}@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,63}$")]
Name = Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[^\r\n]*$")]


class EmailOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`smtp_port` 465 speaks TLS from the start, any other must offer STARTTLS.

    Mail to any address of `reply_domain` and `bounce_domain` must reach `/webhooks/email` (SendGrid or Mailgun); without
    them answers go to `from_address`, and reach us only by their Message-IDs if at all.
    """

    smtp_host: Host | None = None
    smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    from_address: Address | None = None
    from_name: Name | None = None
    reply_domain: Domain | None = None
    bounce_domain: Domain | None = None


def email_options(channel: ChannelSettings) -> EmailOptions:
    """The options of the channel. Raises msgspec.ValidationError, which the check of the bundle has told before."""
    return msgspec.convert(channel.options, EmailOptions)
