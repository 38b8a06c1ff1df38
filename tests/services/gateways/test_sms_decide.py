"""What a message becomes for each provider of SMS, and where its door leads."""

from typing import Any

import pytest

from events.base import Recorded
from events.conversation import MessageRequested
from events.values import Body
from libs.channels import sms_exotel
from libs.channels.outcome import Refused
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.testkit.nouns import NOON, PRIYA_PHONE
from services.gateways import decide
from services.gateways.settings import Settings
from services.gateways.sms.adapter import request, status_callback
from services.gateways.sms.door import AwsDoor, ExotelDoor, SmsDoor, door_of
from tests.services.gateways.asked import asked
from tests.services.gateways.sms_world import REMINDER, TEMPLATES, bundle_of

EXOTEL = """webhook_base_url: https://hooks.example.com
channels:
  sms:
    provider: exotel
    sender_id: ACMECO
    credentials: {account_sid: "${SID}", api_key: "${KEY}", api_token: "${TOKEN}", webhook_secret: "${SECRET}"}
    test_recipients: ["+91987651*"]
"""
PINPOINT = """channels:
  sms:
    provider: pinpoint
    sender_id: ACMECO
    region: ap-south-1
    configuration_set: followup
    max_price: 0.02
    ttl_seconds: 3600
    topic_arns: ["arn:aws:sns:ap-south-1:123456789012:sms"]
    credentials: {access_key_id: "${KEY}", secret_access_key: "${SECRET}"}
"""
ENVIRONMENT = {"SID": "acme1", "KEY": "k3y", "TOKEN": "t0ken", "SECRET": "s3cret"}


def live(settings: str, profile: str = "production") -> tuple[SmsDoor, Bundle]:
    """The live door of these settings."""
    loaded = compile_bundle({"settings.yaml": settings, "templates/sms.yaml": TEMPLATES}, ENVIRONMENT, "development")
    assert loaded.bundle is not None, loaded.findings
    return door_of(Settings(environment=ENVIRONMENT, profile=profile), loaded.bundle), loaded.bundle


def sms(**changes: Any) -> Recorded[MessageRequested]:
    return asked(channel="sms", **({"body": REMINDER} | changes))


def test_exotel_is_called_with_the_dlt_ids_and_told_where_to_call_back():
    door, bundle = live(EXOTEL)
    assert isinstance(door, ExotelDoor)
    assert (door.mode, door.base_url, door.account_sid) == ("live", "https://api.in.exotel.com", "acme1")
    call = request(sms(), door, bundle)
    assert isinstance(call, sms_exotel.Request)
    assert call.path == "/v1/Accounts/acme1/Sms/send.json"
    assert call.form["StatusCallback"] == "https://hooks.example.com/webhooks/sms/s3cret/status"
    assert call.form["DltTemplateId"] == "1107165432198765432"
    assert status_callback(door, "acme") == "https://hooks.example.com/webhooks/acme/sms/s3cret/status"


def test_aws_is_called_with_what_the_options_say():
    door, bundle = live(PINPOINT)
    assert isinstance(door, AwsDoor)
    assert (door.mode, door.endpoint_url, door.stand_in) == ("live", None, None)
    call = request(sms(), door, bundle)
    assert isinstance(call, dict)
    assert (call["ConfigurationSetName"], call["MaxPrice"], call["TimeToLive"]) == ("followup", "0.02000", 3600)


def test_an_endpoint_that_stands_for_aws_keeps_the_certificates_too():
    door, _ = live(PINPOINT.replace("    region", "    base_url: http://localhost:4566/x\n    region"))
    assert isinstance(door, AwsDoor)
    assert door.stand_in == "http://localhost:4566"


@pytest.mark.parametrize("settings", [EXOTEL, PINPOINT])
def test_a_door_does_not_show_its_secrets(settings: str):
    door, _ = live(settings)
    assert not any(secret in repr(door) for secret in ("t0ken", "s3cret"))


def test_a_live_channel_in_development_writes_to_test_recipients_only():
    door, bundle = live(EXOTEL, "development")
    assert (
        decide.veto(sms(to="+919999999999"), door, bundle, NOON)
        == "the address is none of the channel's test recipients"
    )
    assert decide.veto(sms(to=PRIYA_PHONE), door, bundle, NOON) is None
    production, _ = live(EXOTEL)
    assert production.may_write_to("+919999999999")


def test_a_message_counts_its_segments_and_only_an_sms_has_any():
    assert decide.message_of(sms()).units == 1
    assert decide.message_of(sms(body=Body(text="ह" * 71))).units == 2
    assert decide.message_of(asked(body=Body(text="ह" * 71))).units == 1


def test_what_was_erased_cannot_be_sent():
    door, bundle = live(EXOTEL)
    assert isinstance(request(sms(to="[erased]", body=Body(text="[erased]")), door, bundle), Refused)


def test_a_template_without_dlt_ids_cannot_be_sent_to_india():
    bundle = bundle_of("pinpoint", templates=TEMPLATES.partition("    dlt:")[0])
    door, _ = live(PINPOINT)
    refused = request(sms(), door, bundle)
    assert isinstance(refused, Refused)
    assert refused.code == "free_text"
