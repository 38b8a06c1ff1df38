"""The emulated SMS providers speak their real protocols and do to a message what carriers and DLT would."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from libs.channels.outcome import Accepted, Outcome, Refused
from libs.testkit.conformance.channel import Heard, Told
from services.sandbox.settings import SmsSettings
from tests.libs.kit.effects_world import until
from tests.services.sandbox.conftest import Clock
from tests.services.sandbox.sms_rig import ENTITY, PHONE, TEMPLATE, SmsRig, sms_rig

FORM = {"From": "ACMECO", "To": PHONE, "Body": "Dear Rahul", "DltEntityId": ENTITY, "DltTemplateId": TEMPLATE}
PRIYA = "+919876543210"


@pytest.fixture
async def rig(provider: str) -> AsyncIterator[SmsRig]:
    async with sms_rig(provider) as running:
        yield running


async def ends(rig: SmsRig) -> str:
    """The last state of the only message, told or not."""

    async def there() -> str:
        [message] = await rig.control("GET", "/messages")
        return message["states"][-1] if len(message["states"]) == 2 else ""

    return await until(there)


async def read(rig: SmsRig, number: int) -> list[Told | Heard]:
    """What the next webhooks say."""
    return [item for _ in range(number) for item in rig.read((await rig.delivery()).raw)]


def accepted(outcome: Outcome) -> str:
    assert isinstance(outcome, Accepted), outcome
    return outcome.provider_ref


def post(rig: SmsRig, path: str, **options: Any) -> Any:
    return rig.client.post(f"/sandbox/sms{path}", **options)


@pytest.mark.parametrize("provider", ["exotel"])
async def test_exotel_answers_in_xml_unless_json_is_asked_for(rig: SmsRig):
    plain = await post(rig, "/exotel/v1/Accounts/acme1/Sms/send", data=FORM, auth=("key", "token"))
    assert plain.headers["content-type"].startswith("application/xml")
    assert "<TwilioResponse><SMSMessage><Sid>" in plain.text
    asked = await post(rig, "/exotel/v1/Accounts/acme1/Sms/send.json", data=FORM, auth=("key", "token"))
    sms = asked.json()["SMSMessage"]
    assert (sms["Status"], sms["DetailedStatusCode"], sms["To"]) == ("queued", 21010, "0" + PHONE[3:])


@pytest.mark.parametrize("provider", ["exotel"])
async def test_exotel_wants_a_key_the_entity_and_an_indian_number(rig: SmsRig):
    path = "/exotel/v1/Accounts/acme1/Sms/send.json"
    assert (await post(rig, path, data=FORM)).status_code == 401
    for change in ({"DltEntityId": ""}, {"To": "+447700900123"}, {"Body": "x" * 2001}):
        answer = await post(rig, path, data=FORM | change, auth=("key", "token"))
        assert (answer.status_code, answer.json()["RestException"]["Status"]) == (400, 400)
    assert await rig.control("GET", "/messages") == []


@pytest.mark.parametrize(("provider", "path"), [("sns", "/sns"), ("pinpoint", "/sms-voice")])
async def test_aws_wants_a_signature_for_its_own_service(rig: SmsRig, path: str):
    body = "Action=Publish&Version=2010-03-31&PhoneNumber=%2B919812345678&Message=x"
    headers = {"x-amz-target": "PinpointSMSVoiceV2.SendTextMessage"}
    foreign = (
        "AWS4-HMAC-SHA256 Credential=AKIA/20260216/ap-south-1/s3/aws4_request, SignedHeaders=host, Signature="
        + "0" * 64
    )
    for authorization in ("", "Bearer x", foreign):
        answer = await post(rig, path, content=body, headers=headers | {"authorization": authorization})
        assert answer.status_code == 403
    assert await rig.control("GET", "/messages") == []


@pytest.mark.parametrize("provider", ["exotel", "pinpoint", "sns"])
async def test_a_key_that_is_not_the_accounts_is_refused(provider: str):
    settings = SmsSettings(api_key="other", access_key_id="AKIAOTHER")
    async with sms_rig(provider, settings) as rig:
        outcome = await rig.send_text("Dear Rahul", reference="m-1")
        assert isinstance(outcome, Refused)
        assert outcome.scope == "account"


@pytest.mark.parametrize(
    ("provider", "blocked", "arrived"),
    [("exotel", "23080", "20005"), ("pinpoint", "TEXT_CARRIER_BLOCKED", "TEXT_DELIVERED")],
)
async def test_dlt_lets_through_what_is_registered_byte_for_byte(rig: SmsRig, blocked: str, arrived: str):
    known = {"entity_id": ENTITY, "template_id": TEMPLATE, "body": "Dear {#var#}, pay {#var#} now. Acme"}
    for text, registered, end in (
        ("Dear Rahul, pay Rs 5 now. Acme", known, arrived),
        ("Dear Rahul, pay Rs 5 now. acme", known, blocked),
        ("Dear " + "R" * 31 + ", pay Rs 5 now. Acme", known, blocked),
        ("Dear Rahul, pay Rs 5 now. Acme", known | {"template_id": "1107000000000000000"}, blocked),
        ("Dear Rahul, pay Rs 5 now. Acme", known | {"header": "OTHERS"}, blocked),
    ):
        await rig.control("POST", "/reset")
        await rig.control("PUT", "/templates", [registered])
        accepted(await rig.send_text(text, reference="m-1"))
        assert await ends(rig) == end, text


@pytest.mark.parametrize(
    ("provider", "list_", "end"),
    [
        ("exotel", "unreachable", "23035"),
        ("exotel", "opted_out", "23020"),
        ("pinpoint", "unreachable", "TEXT_UNREACHABLE"),
    ],
)
async def test_who_is_out_of_reach_or_opted_out_gets_nothing(rig: SmsRig, list_: str, end: str):
    await rig.control("PUT", "/numbers", {list_: [PHONE]})
    accepted(await rig.send_text("Dear Rahul", reference="m-1"))
    assert await ends(rig) == end


@pytest.mark.parametrize(
    ("provider", "code"), [("exotel", "40001"), ("pinpoint", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT")]
)
async def test_an_account_without_money_is_refused(rig: SmsRig, code: str):
    await rig.control("PUT", "/budget", {"segments": 2})
    accepted(await rig.send_text("x" * 200, reference="m-1"))
    outcome = await rig.send_text("Dear Rahul", reference="m-2")
    assert isinstance(outcome, Refused)
    assert (str(outcome.code), outcome.scope) == (code, "account")


@pytest.mark.parametrize("provider", ["sns"])
async def test_sns_tells_its_failures_to_the_log_alone(rig: SmsRig):
    await rig.control("PUT", "/budget", {"segments": 1})
    first = accepted(await rig.send_text("x" * 70 + "₹", reference="m-1"))
    second = accepted(await rig.send_text("Dear Rahul", reference="m-2"))

    async def logged() -> list[Any]:
        told: list[Any] = await rig.control("GET", "/logs")
        return told if len(told) == 2 else []

    logs = await until(logged)
    told = {
        each["notification"]["messageId"]: (each["status"], each["delivery"]["numberOfMessageParts"]) for each in logs
    }
    assert told == {first: ("SUCCESS", 2), second: ("FAILURE", 1)}
    assert rig.ear.calls == []


@pytest.mark.parametrize("provider", ["pinpoint"])
async def test_stop_puts_a_contact_on_the_opt_out_list_of_aws_and_start_takes_them_off(rig: SmsRig):
    accepted(await rig.send_text("Dear Rahul", reference="m-1"))
    await read(rig, 2)
    await rig.contact_says("Stop")
    [said] = await read(rig, 1)
    assert isinstance(said, Heard)
    assert said.words == "Stop"
    refused = await rig.send_text("Dear Rahul", reference="m-2")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.opted_out) == ("DESTINATION_PHONE_NUMBER_OPTED_OUT", True)
    await rig.contact_says("START")
    accepted(await rig.send_text("Dear Rahul", reference="m-3"))


@pytest.mark.parametrize("provider", ["exotel", "pinpoint"])
async def test_somebody_who_gets_an_sms_answers_by_sms(rig: SmsRig):
    script = {
        "name": "Rahul",
        "addresses": {"sms": PHONE},
        "lines": [{"when": "invoice", "say": ["Kal kar dunga"], "after_seconds": 0}],
    }
    (await rig.client.put(f"/_sandbox/contacts/{PHONE}/script", json=script)).raise_for_status()
    id_ = accepted(await rig.send_text("Dear Rahul, your invoice is due", reference="m-1"))
    said = (await read(rig, 3))[-1]
    assert isinstance(said, Heard)
    assert (said.words, said.quoted) == ("Kal kar dunga", id_ if rig.provider == "pinpoint" else None)


@pytest.mark.parametrize("provider", ["exotel"])
async def test_somebody_may_write_unasked(rig: SmsRig):
    answer = await rig.client.post(
        f"/_sandbox/contacts/{PRIYA}/say", json={"channel": "sms", "say": ["Namaste"], "after_seconds": 0}
    )
    assert answer.is_success, answer.text
    [said] = await read(rig, 1)
    assert isinstance(said, Heard)
    assert said.words == "Namaste"


@pytest.mark.parametrize("provider", ["pinpoint"])
async def test_events_come_only_for_messages_that_name_a_configuration_set(rig: SmsRig):
    signed: dict[str, str] = {}

    async def without() -> httpx.Response:
        scope = "AKIA/20260216/ap-south-1/sms-voice/aws4_request"
        signed["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
        signed["x-amz-target"] = "PinpointSMSVoiceV2.SendTextMessage"
        body = {"DestinationPhoneNumber": PHONE, "MessageBody": "quiet", "OriginationIdentity": "ACMECO"}
        answer: httpx.Response = await post(rig, "/sms-voice", json=body, headers=signed)
        return answer

    assert (await without()).is_success
    assert await ends(rig) == "TEXT_CARRIER_BLOCKED"  # no DLT ids, but nobody is told
    await rig.control("POST", "/reset")
    accepted(await rig.send_text("Dear Rahul", reference="m-1"))
    told = await read(rig, 2)
    assert {each.reference for each in told if isinstance(each, Told)} == {"m-1"}


async def test_business_time_is_what_the_providers_stamp():
    clock = Clock()
    async with sms_rig("exotel", clock=clock) as rig:
        clock.move(days=3)
        accepted(await rig.send_text("Dear Rahul", reference="m-1"))
        raw = (await rig.delivery()).raw.decode()
        assert "DateSent=2026-02-19+10%3A30%3A00" in raw
