"""What the settings of the channel voice say of a SIP trunk, and the trunk with its credentials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast
from urllib.parse import parse_qsl

import msgspec

from libs.config.model import ChannelSettings

Transport = Literal["tcp", "tls", "udp"]
Codec = Literal["PCMA", "PCMU"]
PORTS: Mapping[Transport, int] = {"tcp": 5060, "tls": 5061, "udp": 5060}
"""Where a trunk listens that says nothing else (RFC 3261, 19.1.2)."""
USERNAME, PASSWORD = "telephony_username", "telephony_password"

Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]


class SipOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`from_domain` is that of our From: trunks that have many customers tell them apart by it. `codecs`: the dearer first."""

    trunk_host: Host | None = None
    trunk_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    transport: Transport = "tcp"
    from_domain: Host | None = None
    codecs: Annotated[tuple[Codec, ...], msgspec.Meta(min_length=1)] = ("PCMA", "PCMU")


class BadTrunk(Exception):
    """A trunk's address that we cannot read; says what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Where the trunk is and who we are there. Without a password it knows us by our address. Never registered with."""

    host: str
    port: int
    transport: Transport = "tcp"
    domain: str | None = None
    codecs: tuple[Codec, ...] = ("PCMA", "PCMU")
    user: str | None = None
    password: str = field(default="", repr=False)

    @classmethod
    def at(cls, address: str) -> "Trunk":
        """One that knows us by our address, from `sip:host[:port][;transport=tcp|tls|udp]`, or `sips:…`. Raises BadTrunk."""
        scheme, _, rest = address.partition(":")
        place, *parameters = rest.split(";")
        given = dict(parse_qsl("&".join(parameters)))
        transport = given.pop("transport", "tls" if scheme == "sips" else "tcp")
        host, colon, port = place.partition(":")
        if scheme not in ("sip", "sips") or not host or "@" in host or given or (colon and not port.isdigit()):
            raise BadTrunk(f"{address!r} is no trunk: it should be sip:host[:port][;transport=tcp|tls|udp]")
        if transport not in PORTS or (scheme == "sips" and transport != "tls"):
            raise BadTrunk(f"a trunk speaks over tcp, tls or udp (sips: only tls), not {transport!r}")
        known = cast(Transport, transport)
        return cls(host=host, port=int(port or PORTS[known]), transport=known)


def sip_options(channel: ChannelSettings) -> SipOptions:
    """The options of the channel. Raises msgspec.ValidationError, which the check of the bundle has told before."""
    return msgspec.convert(channel.options, SipOptions)


def trunk_of(channel: ChannelSettings, credentials: Mapping[str, str]) -> Trunk | None:
    """The channel's trunk, with its resolved credentials; None where its host is not named."""
    options = sip_options(channel)
    if options.trunk_host is None:
        return None
    return Trunk(
        host=options.trunk_host,
        port=options.trunk_port or PORTS[options.transport],
        transport=options.transport,
        domain=options.from_domain,
        codecs=options.codecs,
        user=credentials.get(USERNAME),
        password=credentials.get(PASSWORD, ""),
    )
