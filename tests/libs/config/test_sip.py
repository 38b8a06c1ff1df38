"""The channel voice over a SIP trunk: what the trunk needs to be told, and what Exotel's vSIP asks besides."""

import pytest

from libs.config.compile import Loaded, compile_bundle
from libs.config.providers import provider_of
from libs.config.sip import BadTrunk, Trunk, trunk_of

VSIP = """channels:
  voice:
    provider: sip
    trunk_host: pstn.in2.exotel.com
    trunk_port: 5070
    transport: tcp
    from_domain: acme1.pstn.exotel.com
    codecs: [PCMA, PCMU]
    credentials:
      telephony_phone_number: "${SIP_CALLER_ID}"
      telephony_username: "${SIP_USERNAME}"
      telephony_password: "${SIP_PASSWORD}"
      stt_api_key: "${STT_API_KEY}"
      tts_api_key: "${TTS_API_KEY}"
voice:
  telephony: {provider: sip}
"""
FLOW = "flows: [{id: general_followup, steps: [{id: say, type: say, text: hello}, {id: end, type: end}]}]\n"
ENVIRONMENT = {
    name: name.lower() for name in ("SIP_CALLER_ID", "SIP_USERNAME", "SIP_PASSWORD", "STT_API_KEY", "TTS_API_KEY")
}


def check(text: str = VSIP) -> Loaded:
    return compile_bundle({"settings.yaml": text, "flows/f.yaml": FLOW}, ENVIRONMENT, "development")


def test_exotels_vsip_is_read_with_its_credentials():
    loaded = check()
    assert loaded.findings == ()
    assert loaded.bundle is not None
    channel = loaded.bundle.settings.channels["voice"]
    assert loaded.bundle.channel_mode("voice", ENVIRONMENT) == "live"
    given = {"telephony_username": "us", "telephony_password": "word"}
    assert trunk_of(channel, given) == Trunk(
        host="pstn.in2.exotel.com",
        port=5070,
        transport="tcp",
        domain="acme1.pstn.exotel.com",
        user="us",
        password="word",
    )


def test_a_trunk_that_knows_our_address_needs_no_password_and_a_port_of_its_own_is_the_usual_one():
    text = VSIP.replace("pstn.in2.exotel.com", "sbc.acme.example").replace("    trunk_port: 5070\n", "")
    text = "".join(
        line for line in text.splitlines(keepends=True) if "SIP_USERNAME" not in line and "SIP_PASS" not in line
    )
    loaded = check(text.replace("transport: tcp", "transport: tls"))
    assert loaded.findings == ()
    assert loaded.bundle is not None
    trunk = trunk_of(loaded.bundle.settings.channels["voice"], {})
    assert trunk is not None
    assert (trunk.port, trunk.user, trunk.password) == (5061, None, "")


@pytest.mark.parametrize(
    ("old", "new", "severity", "line", "path", "says", "hint"),
    [
        ("trunk_host: pstn.in2.exotel.com", "trunk_host: sip:pstn.in2.exotel.com", "error", 4, "channels.voice.trunk_host", "trunk_host is not as it must be", "the host alone"),
        ("    trunk_host: pstn.in2.exotel.com\n", "", "error", 2, "channels.voice", "nobody knows where the SIP trunk is", "trunk_host"),
        ("trunk_port: 5070", "trunk_port: 70000", "error", 5, "channels.voice.trunk_port", "trunk_port is not", "5070"),
        ("trunk_port: 5070", "trunk_port: 5060", "warning", 5, "channels.voice.trunk_port", "listens for tcp at 5070", "trunk_port: 5070"),
        ("transport: tcp", "transport: sctp", "error", 6, "channels.voice.transport", "transport is not", "tcp, tls or udp"),
        ("transport: tcp", "transport: udp", "error", 6, "channels.voice.transport", "takes no UDP", "tcp (port 5070)"),
        ("    from_domain: acme1.pstn.exotel.com\n", "", "warning", 2, "channels.voice", "domain of its From", "from_domain"),
        ("[PCMA, PCMU]", "[G729]", "error", 8, "channels.voice.codecs", "codecs", "PCMA"),
        ('      telephony_username: "${SIP_USERNAME}"\n', "", "error", 11, "channels.voice.credentials.telephony_password", "alone proves nothing", "telephony_username"),
        ('      telephony_password: "${SIP_PASSWORD}"\n', "", "error", 11, "channels.voice.credentials.telephony_username", "alone proves nothing", "telephony_password"),
        ("telephony_username", "telephony_user", "error", 11, "channels.voice.credentials.telephony_user", "has no credential", "telephony_username"),
        ("transport: tcp", "transprt: tcp", "error", 6, "channels.voice", "has no key 'transprt'", "transport"),
        ("telephony: {provider: sip}", "telephony: {provider: exotel}", "error", 16, "voice.telephony.provider", "calls over sip, not over exotel", "provider: sip"),
        ("telephony: {provider: sip}", 'telephony: {media_url: "wss://runtime.example"}', "error", 16, "voice.telephony.media_url", "and nowhere else", "exotel"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_is(old: str, new: str, severity: str, line: int, path: str, says: str, hint: str):
    assert old in VSIP
    found = check(VSIP.replace(old, new, 1)).findings
    [first] = [each for each in found if says in each.message]
    assert (first.file, first.line, first.severity) == ("settings.yaml", line, severity)
    assert first.path.startswith(path)
    assert hint in first.hint


def test_a_trunk_is_no_key_of_exotels():
    found = check(VSIP.replace("provider: sip", "provider: exotel")).findings
    assert any("has no key 'trunk_host'" in each.message for each in found)


def test_a_password_is_not_shown():
    assert "word" not in repr(Trunk(host="h", port=5060, user="us", password="word"))


@pytest.mark.parametrize(
    ("address", "trunk"),
    [
        ("sip:10.0.0.1", Trunk(host="10.0.0.1", port=5060, transport="tcp")),
        ("sip:pbx:5080;transport=udp", Trunk(host="pbx", port=5080, transport="udp")),
        ("sips:pstn.in2.exotel.com:443", Trunk(host="pstn.in2.exotel.com", port=443, transport="tls")),
    ],
)
def test_a_trunk_is_read_from_its_address(address: str, trunk: Trunk):
    assert Trunk.at(address) == trunk


@pytest.mark.parametrize(
    "address",
    ["pstn.example.com", "sip:", "sip:me@host", "sip:host;transport=sctp", "sips:host;transport=tcp", "sip:host;x=1", "sip:host:"],
)  # fmt: skip
def test_a_trunk_that_cannot_be_read_says_what_it_should_be(address: str):
    with pytest.raises(BadTrunk, match="udp"):
        Trunk.at(address)


def test_the_trunks_keys_are_those_that_the_channel_takes():
    provider = provider_of("voice", "sip")
    assert provider is not None
    assert set(provider.options) == {"trunk_host", "trunk_port", "transport", "from_domain", "codecs"}
