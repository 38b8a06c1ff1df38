"""What SMS providers post is known by its secret or its signature, stored once, and only then acknowledged."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from events.inbound import Received
from libs.kit.store import Unavailable
from libs.testkit.nouns import HER_PROMISE, PRIYA_PHONE, TENANT
from tests.services.gateways.conftest import Gateways
from tests.services.gateways.sms_world import SmsGateways

SECRET = "sandbox-sms-secret"
INBOUND, STATUS = f"/webhooks/sms/{SECRET}", f"/webhooks/sms/{SECRET}/status"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
MESSAGE = {
    "SmsSid": "in-1",
    "From": "0" + PRIYA_PHONE[3:],
    "To": "08047491899",
    "Date": "2026-02-16 12:00:00",
    "Body": "Haan ji",
}
SENT = {"SmsSid": "out-1", "To": "0" + PRIYA_PHONE[3:], "Status": "sent", "DetailedStatusCode": "20005"}


@pytest.fixture
async def exotel(gateways: Gateways) -> SmsGateways:
    return await SmsGateways.of(gateways, "exotel")


@pytest.fixture
async def aws(gateways: Gateways) -> SmsGateways:
    return await SmsGateways.of(gateways, "pinpoint")


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["status"] == status


async def stored(sms: SmsGateways) -> Received:
    """The only message that came in."""
    [fact] = await sms.gateways.inbound("received")
    assert isinstance(fact.event, Received)
    return fact.event


async def get(sms: SmsGateways, query: dict[str, str], path: str = INBOUND, method: str = "GET") -> httpx.Response:
    return await sms.gateways.client.request(method, f"{sms.gateways.origin}{path}", params=query)


@pytest.mark.parametrize("form", ["get", "form", "json"])
async def test_a_message_over_exotel_is_stored_once_however_it_comes(exotel: SmsGateways, form: str):
    await exotel.priya_says(HER_PROMISE, copies=3, form=form, id="in-7")
    event = await stored(exotel)
    digest = (await exotel.gateways.store.keyring.lookup(TENANT, "sms", PRIYA_PHONE)).hex()
    assert (event.sender, event.text, event.provider_ref, event.digest) == (PRIYA_PHONE, HER_PROMISE, "in-7", digest)
    assert (event.account, event.reply_to) == ("08047491899", None)
    assert event.sent_at is not None
    assert timedelta(0) <= exotel.gateways.clock.now() - event.sent_at < timedelta(minutes=1)


async def test_the_answer_is_empty_plain_text_for_exotel_would_send_any_other(exotel: SmsGateways):
    answer = await get(exotel, MESSAGE)
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_exotel_looks_before_it_asks_and_nothing_is_stored(exotel: SmsGateways):
    before = await exotel.head()
    answer = await get(exotel, MESSAGE, method="HEAD")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert await exotel.head() == before


async def test_the_secret_may_be_a_password(exotel: SmsGateways):
    url = f"{exotel.gateways.origin}/webhooks/sms"
    answer = await exotel.gateways.client.post(url, data=MESSAGE, auth=("exotel", SECRET))
    assert answer.status_code == 200
    await stored(exotel)
    for guess in ("guess", ""):
        assert_problem(await exotel.gateways.client.post(url, data=MESSAGE, auth=("exotel", guess)), 401)


@pytest.mark.parametrize("path", ["/webhooks/sms", "/webhooks/sms/guess", "/webhooks/sms/guess/status"])
async def test_without_the_secret_nothing_is_stored(exotel: SmsGateways, path: str):
    before = await exotel.head()
    assert_problem(await exotel.post(urlencode(MESSAGE | SENT), path, content_type=FORM), 401)
    if not path.endswith("status"):
        assert_problem(await get(exotel, MESSAGE, path), 401)
    assert await exotel.head() == before


async def test_a_form_with_parts_is_read_too(exotel: SmsGateways):
    url = exotel.gateways.origin + INBOUND
    answer = await exotel.gateways.client.post(url, files={name: (None, value) for name, value in MESSAGE.items()})
    assert answer.status_code == 200, answer.text
    assert (await stored(exotel)).text == "Haan ji"
    with_file = await exotel.gateways.client.post(url, data=MESSAGE, files={"Body": ("a.txt", b"x")})
    assert_problem(with_file, 422)


@pytest.mark.parametrize(
    ("path", "body", "media_type", "status"),
    [
        (INBOUND, "", FORM, 422),
        (INBOUND, "{", JSON, 400),
        (INBOUND, "[" * 50_000, JSON, 400),
        (INBOUND, "[]", JSON, 422),
        (INBOUND, "null", JSON, 422),
        (INBOUND, json.dumps(MESSAGE | {"Body": ["x"]}), JSON, 422),
        (INBOUND, json.dumps(MESSAGE | {"From": "nobody 5"}), JSON, 200),
        (INBOUND, json.dumps(MESSAGE | {"From": "12"}), JSON, 422),
        (INBOUND, urlencode({k: v for k, v in MESSAGE.items() if k != "SmsSid"}), FORM, 422),
        (INBOUND, b"\xff\xfe", FORM, 400),
        (INBOUND, "%zz;;;", FORM, 400),
        (INBOUND, "<xml/>", "application/xml", 415),
        (STATUS, urlencode({"SmsSid": "1"}), FORM, 422),
        (STATUS, urlencode(SENT | {"Status": "teleported"}), FORM, 200),
        (STATUS, "not a form", FORM, 400),
    ],
)
async def test_another_shape_is_4xx_and_nothing_is_stored(
    exotel: SmsGateways, path: str, body: Any, media_type: str, status: int
):
    before = await exotel.head()
    answer = await exotel.post(body, path, content_type=media_type)
    if status == 200:
        assert answer.status_code == 200
    else:
        assert_problem(answer, status)
    assert await exotel.head() == before


async def test_a_tenant_has_paths_of_its_own(exotel: SmsGateways):
    assert (await get(exotel, MESSAGE, f"/webhooks/{TENANT}/sms/{SECRET}")).status_code == 200
    assert (
        await exotel.post(urlencode(SENT), f"/webhooks/{TENANT}/sms/{SECRET}/status", content_type=FORM)
    ).status_code == 200
    await stored(exotel)
    await exotel.gateways.inbound("status_received")
    assert_problem(await get(exotel, MESSAGE, f"/webhooks/nobody/sms/{SECRET}"), 404)


async def test_a_store_that_is_away_is_503_and_the_repeated_webhook_is_taken(
    exotel: SmsGateways, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("Postgres is away")

    with monkeypatch.context() as patch:
        patch.setattr(exotel.gateways.own_store, "append", away)
        assert_problem(await get(exotel, MESSAGE), 503)
    assert (await get(exotel, MESSAGE)).status_code == 200
    await stored(exotel)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_message_over_aws_is_stored_once_and_names_what_it_answers(aws: SmsGateways, version: str):
    await aws.control("PUT", "/topic", {"version": version})
    intent = await aws.say()
    await aws.gateways.until(intent, "delivered")
    await aws.priya_says(HER_PROMISE, copies=3)
    event = await stored(aws)
    [message] = await aws.sent()
    assert (event.sender, event.text, event.reply_to) == (PRIYA_PHONE, HER_PROMISE, message["id"])
    assert event.account == "+14255550101"


async def test_stop_is_heard_although_aws_obeys_it_itself(aws: SmsGateways):
    await aws.priya_says("STOP")
    assert (await stored(aws)).text == "STOP"
    intent = await aws.say()
    assert await aws.gateways.until(intent, "rejected") == ["rejected"]
    assert len(await aws.gateways.inbound("unsubscribed")) == 1


async def envelope(aws: SmsGateways) -> tuple[dict[str, Any], dict[str, str]]:
    """An envelope of the topic that was taken (with its headers); the same again is known."""
    await aws.priya_says("aur ek", id="in-9")
    call = await aws.webhook("in-9")
    return json.loads(call["body"]), call["headers"]


async def test_what_sns_did_not_sign_is_401_and_nothing_is_stored(aws: SmsGateways):
    whole, headers = await envelope(aws)
    other = json.loads((await aws.webhook("SubscriptionConfirmation"))["body"])
    before = await aws.head()
    for change in (
        {"Message": whole["Message"].replace("aur ek", "aur do")},
        {"Signature": ""},
        {"Signature": other["Signature"]},
        {"SignatureVersion": "1"},
        {
            "SigningCertURL": "https://sns.ap-south-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
        },
        {"SigningCertURL": "https://evil.example/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"},
        {"SigningCertURL": whole["SigningCertURL"].replace("0.pem", "1.pem")},
    ):
        assert_problem(await aws.post(json.dumps(whole | change), **headers), 401)
    assert await aws.head() == before
    assert (await aws.post(json.dumps(whole), **headers)).status_code == 200
    assert await aws.head() == before


async def test_what_is_signed_for_somebody_else_is_403(aws: SmsGateways):
    whole, headers = await envelope(aws)
    before = await aws.head()
    assert_problem(await aws.post(json.dumps(whole | {"TopicArn": whole["TopicArn"] + "x"}), **headers), 403)
    await aws.gateways.clock.advance(timedelta(hours=2))
    assert_problem(await aws.post(json.dumps(whole), **headers), 403)
    assert await aws.head() == before


async def test_raw_delivery_has_no_signature_and_is_401(aws: SmsGateways):
    await aws.control("PUT", "/topic", {"raw": True})
    before = await aws.head()
    await aws.priya_says("raw", id="in-8")
    deliveries = await aws.control("GET", "/webhooks")
    assert (deliveries[-1]["status"], deliveries[-1]["attempts"]) == (401, 1)
    assert await aws.head() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 400), ("{", 400), ("null", 422), ("[]", 422), ("{}", 422), ('"x"', 422), ("[" * 50_000, 422), ('{"Type": "Other"}', 422), ("\x00", 400)],
)  # fmt: skip
async def test_an_envelope_of_another_shape_is_4xx_and_nothing_is_stored(aws: SmsGateways, body: str, status: int):
    before = await aws.head()
    assert_problem(await aws.post(body, content_type="text/plain; charset=UTF-8"), status)
    assert await aws.head() == before


async def test_a_subscription_is_confirmed_once_and_only_at_sns(aws: SmsGateways):
    assert (await aws.control("GET", "/requests"))["confirmed"] == 1
    call = await aws.webhook("SubscriptionConfirmation")
    whole = json.loads(call["body"])
    elsewhere = whole["SubscribeURL"].replace("127.0.0.1", "localhost")
    assert_problem(await aws.post(json.dumps(whole | {"SubscribeURL": elsewhere}), **call["headers"]), 401)
    assert_problem(await aws.post(json.dumps(whole), **call["headers"]), 502)  # the token is used up
    assert (await aws.control("GET", "/requests"))["confirmed"] == 1


async def test_each_provider_has_its_own_way_in(exotel: SmsGateways, gateways: Gateways):
    assert_problem(await exotel.post("{}", content_type="text/plain"), 401)
    aws = await SmsGateways.of(gateways, "pinpoint")
    assert_problem(await get(aws, MESSAGE), 404)
    assert_problem(await get(aws, MESSAGE, "/webhooks/sms"), 405)


async def test_no_word_and_no_number_is_stored_in_plain(exotel: SmsGateways):
    await exotel.priya_says(HER_PROMISE)
    await exotel.gateways.until(await exotel.say(), "delivered")
    await stored(exotel)
    rows = await exotel.gateways.store.pool.fetch("SELECT data FROM log.event")
    for word in (HER_PROMISE, PRIYA_PHONE, PRIYA_PHONE[3:]):
        assert not any(word.encode() in row["data"] for row in rows)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_letter_that_is_no_utf_8_costs_nothing_but_itself(exotel: SmsGateways, method: str):
    said = urlencode({key: value for key, value in MESSAGE.items() if key != "Body"}) + "&Body=STOP%92"
    url = f"{exotel.gateways.origin}{INBOUND}"
    if method == "GET":
        answer = await exotel.gateways.client.get(f"{url}?{said}")
    else:
        answer = await exotel.post(said, INBOUND, content_type=FORM)
    assert answer.status_code == 200, answer.text
    assert (await stored(exotel)).text == "STOP\ufffd"
