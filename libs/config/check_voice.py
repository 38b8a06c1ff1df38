"""Calls: whether the trunk can be reached as it is described, and whether the parts of the settings mean the same line."""

from collections.abc import Mapping
from typing import Any

import msgspec

from libs.config.findings import Findings
from libs.config.model import ChannelSettings
from libs.config.parsed import Parsed
from libs.config.providers import CALLING_FLOW, has_flows
from libs.config.sip import PASSWORD, PORTS, USERNAME, SipOptions, sip_options
from libs.config.tree import Node

VOICE = "voice"
SIP = "sip"
LIKE: Mapping[str, str] = {
    "trunk_host": "the host alone, such as pstn.in2.exotel.com",
    "trunk_port": "a number such as 5070",
    "transport": "tcp, tls or udp",
    "from_domain": "<account sid>.pstn.exotel.com",
    "codecs": "[PCMA, PCMU], or one of them",
}
EXOTEL_VSIP = ".exotel.com"
EXOTEL_PORTS = {"tcp": 5070, "tls": 443}
"""Where Exotel's vSIP listens, by its guides of August 2026; over UDP it does not."""


def check_voice(parsed: Parsed, found: Findings) -> None:
    settings, root = parsed.settings.value, parsed.settings.node
    channel, node = settings.channels.get(VOICE), root.at("channels", VOICE)
    if channel is None:
        return
    if "transfer" in settings.voice:
        _transfer(channel, root.at(VOICE, "transfer"), found)
    _profile(settings.voice, channel, root.at(VOICE, "telephony"), found)
    if channel.provider == SIP:
        _trunk(channel, node, found)


def _profile(voice: Mapping[str, Any], channel: ChannelSettings, node: Node, found: Findings) -> None:
    """What `voice.telephony` says of the line, where it says anything."""
    told = voice.get("telephony")
    if not isinstance(told, Mapping):
        return
    provider = told.get("provider")
    if provider is not None and channel.provider and provider != channel.provider:
        hint = f"write provider: {channel.provider}, or leave it out"
        found.error(node.at("provider"), f"channels.voice calls over {channel.provider}, not over {provider}", hint)
    if channel.provider == SIP and "media_url" in told:
        place = node.at("media_url")
        message = "the media of a SIP call come to the process that dials, and nowhere else"
        found.error(place, message, "leave it out, or call over exotel", line=place.key_line)


def _transfer(channel: ChannelSettings, node: Node, found: Findings) -> None:
    """A flow of the carrier's rings the person; a call that goes through none cannot be handed over."""
    if not has_flows(channel.provider):
        message = f"a call over {channel.provider} cannot be handed over: a person is notified instead"
        found.warn(node, message, "call over exotel, through a flow", line=node.key_line)
    elif CALLING_FLOW not in channel.credentials:
        message = "calls of ours go through no flow, so that only those that come in can be handed over"
        found.warn(node, message, f"add channels.voice.credentials.{CALLING_FLOW}", line=node.key_line)


def _trunk(channel: ChannelSettings, node: Node, found: Findings) -> None:
    try:
        options = sip_options(channel)
    except msgspec.ValidationError as error:
        found.refused(node, error, LIKE)
        return
    if options.trunk_host is None:
        hint = "add `trunk_host: pstn.in2.exotel.com`, or your trunk's"
        found.error(node, "nobody knows where the SIP trunk is", hint, line=node.key_line)
        return
    for given, other in ((USERNAME, PASSWORD), (PASSWORD, USERNAME)):
        if given in channel.credentials and other not in channel.credentials:
            place = node.at("credentials", given)
            hint = f"add {other}, or leave both out where the trunk knows your address"
            found.error(place, f"the trunk asks for both: {given} alone proves nothing", hint, line=place.key_line)
    if options.trunk_host.endswith(EXOTEL_VSIP):
        _exotel(options, node, found)


def _exotel(options: SipOptions, node: Node, found: Findings) -> None:
    """Exotel's vSIP: TCP 5070 or TLS 443, and the account by the From domain."""
    port = EXOTEL_PORTS.get(options.transport)
    if port is None:
        found.error(node.at("transport"), "Exotel's vSIP takes no UDP", "write tcp (port 5070) or tls (port 443)")
    elif (options.trunk_port or PORTS[options.transport]) != port:
        message = f"Exotel's vSIP listens for {options.transport} at {port}"
        found.warn(node.at("trunk_port"), message, f"write trunk_port: {port}")
    if options.from_domain is None:
        hint = f"add `from_domain: {LIKE['from_domain']}`"
        found.warn(node, "Exotel's vSIP knows an account by the domain of its From", hint, line=node.key_line)
