"""The emulated Graph API takes, delivers, refuses and fails as Meta's does."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from libs.channels import whatsapp
from libs.channels.whatsapp_items import Text
from services.sandbox.settings import MetaSettings, Settings
from tests.services.sandbox.conftest import PHONE_ID, SECRET, VERIFY_TOKEN, Business, Sandbox

PRIYA = "919876543210"
RAHUL = "919812345678"
HEAD = {"messaging_product": "whatsapp", "to": RAHUL}


@pytest.fixture
def needed() -> tuple[str, ...]:
    return ("meta", "reset")


def states(business: Business) -> list[str]:
    return [status.state for status in business.statuses]


async def test_a_template_is_accepted_and_its_way_to_the_contact_is_told(sandbox: Sandbox, business: Business):
    answer = await sandbox.template(to=RAHUL, name="Rahul")
    assert answer.status_code == 200
    wamid = answer.json()["messages"][0]["id"]
    assert answer.json()["contacts"][0]["wa_id"] == RAHUL
    await business.until(lambda b: len(b.statuses) == 3)
    assert states(business) == ["sent", "delivered", "read"]
    for status in business.statuses:
        assert (status.id, status.reference, status.recipient, status.account) == (wamid, "msg_01", RAHUL, PHONE_ID)
        assert status.at == sandbox.clock.at
    assert [status.category for status in business.statuses] == ["utility", "utility", None]


async def test_every_webhook_is_signed_over_ascii_bytes(sandbox: Sandbox, business: Business):
    await sandbox.says("हाँ जी 👍")
    await business.until(lambda b: len(b.said) == 1)
    assert business.said[0].content == Text("हाँ जी 👍")
    (raw,), (signature,) = business.bodies, business.signatures
    assert raw.isascii()
    assert rb"\u0939" in raw
    assert whatsapp.verify(raw, signature, SECRET)
    assert not whatsapp.verify(json.dumps(json.loads(raw), ensure_ascii=False).encode(), signature, SECRET)


async def test_what_was_sent_is_counted_by_our_message_id(sandbox: Sandbox):
    await sandbox.template(to=RAHUL, reference="once", name="Rahul")
    await sandbox.template(to=RAHUL, reference="twice", name="Rahul")
    await sandbox.template(to=RAHUL, reference="twice", name="Rahul")
    assert len(await sandbox.sent("once")) == 1
    assert len(await sandbox.sent("twice")) == 2
    (message,) = await sandbox.sent("once")
    assert (message["to"], message["template"], message["text"]) == (RAHUL, "payment_reminder", "Rahul")


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_token_nothing_is_sent(sandbox: Sandbox, token: str | None):
    answer = await sandbox.send(HEAD | {"type": "text", "text": {"body": "hi"}}, token=token)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == 190
    assert await sandbox.sent() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"to": RAHUL, "type": "text", "text": {"body": "hi"}}, 131008),
        ({"messaging_product": "sms", "to": RAHUL}, 100),
        ({"messaging_product": "whatsapp", "type": "text", "text": {"body": "hi"}}, 131008),
        (HEAD | {"to": "Rahul", "type": "text", "text": {"body": "hi"}}, 131009),
        (HEAD | {"to": "918047491899", "type": "text", "text": {"body": "hi"}}, 131021),
        (HEAD | {"to": None, "recipient": "rahul", "type": "text", "text": {"body": "hi"}}, 131009),
        (HEAD | {"type": "text"}, 131008),
        (HEAD | {"type": "text", "text": {"body": ""}}, 100),
        (HEAD | {"type": "text", "text": {"body": "x" * 4097}}, 100),
        (HEAD | {"type": "template"}, 131008),
        (HEAD | {"type": "template", "template": {"name": "x"}}, 131008),
        (HEAD | {"type": "text", "text": {"body": "hi"}, "biz_opaque_callback_data": "x" * 513}, 100),
        (HEAD | {"type": "hologram"}, 131051),
        ({"messaging_product": "whatsapp", "status": "read"}, 131008),
    ],
)
async def test_a_wrong_body_is_refused_in_metas_shape(sandbox: Sandbox, body: dict[str, Any], code: int):
    answer = await sandbox.send(body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["type"] == "OAuthException"
    assert error["error_data"]["details"]
    assert await sandbox.sent() == []


async def test_a_body_that_is_not_json_is_refused(sandbox: Sandbox):
    url = f"{sandbox.origin}/sandbox/meta/v26.0/{PHONE_ID}/messages"
    answer = await sandbox.client.post(url, content=b"{", headers={"authorization": "Bearer t"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


async def test_free_text_outside_the_window_is_accepted_and_fails_afterwards(sandbox: Sandbox, business: Business):
    assert (await sandbox.text("hello", to=RAHUL)).status_code == 200
    await business.until(lambda b: bool(b.statuses))
    (failed,) = business.statuses
    assert (failed.state, [problem.code for problem in failed.problems]) == ("failed", [131047])


async def test_the_window_is_open_for_a_day_of_business_time_after_the_contact_wrote(
    sandbox: Sandbox, business: Business
):
    await sandbox.says("hello", sender=RAHUL)
    sandbox.clock.move(hours=23, minutes=59)
    await sandbox.text("in time", to=RAHUL, reference="in_time")
    sandbox.clock.move(minutes=1)
    await sandbox.text("too late", to=RAHUL, reference="late")
    await business.until(lambda b: len(b.statuses) == 4)
    assert {status.state for status in business.statuses if status.reference == "late"} == {"failed"}
    assert "read" in {status.state for status in business.statuses if status.reference == "in_time"}


async def test_a_contact_without_whatsapp_is_not_reached(sandbox: Sandbox, business: Business):
    await sandbox.control("PUT", "/meta/unreachable", ["+" + RAHUL])
    await sandbox.template(to=RAHUL)
    await business.until(lambda b: bool(b.statuses))
    assert business.statuses[0].problems[0].code == 131026


async def test_only_approved_templates_are_sent_once_they_are_listed(sandbox: Sandbox):
    approved = {"name": "payment_reminder", "language": "en", "body": "{{name}} owes {{ amount | inr }}, {{name}}."}
    await sandbox.control("PUT", "/meta/templates", [approved])
    unknown = await sandbox.template("other", to=RAHUL)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, 132001)
    incomplete = await sandbox.template(to=RAHUL, name="Rahul")
    assert incomplete.json()["error"]["code"] == 132000
    whole = await sandbox.template(to=RAHUL, name="Rahul", amount="₹5")
    assert whole.status_code == 200
    assert [message["text"] for message in await sandbox.sent()] == ["Rahul owes ₹5, Rahul."]


async def test_a_message_of_the_contacts_is_marked_as_read(sandbox: Sandbox):
    wamid = await sandbox.says("hello")
    answer = await sandbox.send(dict(whatsapp.mark_read(wamid, account=PHONE_ID, typing=True).body))
    assert answer.json() == {"success": True}
    assert await sandbox.control("GET", "/meta/read-marks") == [wamid]
    assert await sandbox.sent() == []


async def test_a_webhook_that_is_refused_comes_again(sandbox: Sandbox, business: Business):
    business.refuses = 3
    await sandbox.says("hello")
    await business.until(lambda b: len(b.said) == 1)
    (delivery,) = await sandbox.control("GET", "/meta/webhooks")
    assert delivery["attempts"] == 4


async def test_the_webhook_is_subscribed_by_a_handshake(sandbox: Sandbox):
    url = f"{sandbox.origin}/hook"
    right = await sandbox.control("PUT", "/meta/callback", {"url": url, "verify_token": VERIFY_TOKEN})
    wrong = await sandbox.control("PUT", "/meta/callback", {"url": url, "verify_token": "wrong"})
    assert (right, wrong) == ({"subscribed": True}, {"subscribed": False})


@pytest.mark.parametrize(("code", "status"), [(131056, 400), (130429, 429), (131000, 500), (131016, 503), (190, 401)])
async def test_a_refusal_on_demand_sends_nothing_and_happens_once(sandbox: Sandbox, code: int, status: int):
    await sandbox.fault(refuse=code)
    refused = await sandbox.template(to=RAHUL)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert await sandbox.sent() == []
    assert (await sandbox.template(to=RAHUL)).status_code == 200


async def test_faults_befall_only_those_they_are_meant_for_and_as_often_as_said(sandbox: Sandbox):
    await sandbox.fault(refuse=131000, to="+" + RAHUL, times=2)
    answers = [(await sandbox.template(to=to)).status_code for to in (PRIYA, RAHUL, PRIYA, RAHUL, RAHUL)]
    assert answers == [200, 500, 200, 500, 200]


@pytest.mark.parametrize(("commits", "count"), [(True, 1), (False, 0)])
async def test_a_connection_may_break_before_or_after_the_message_is_taken(sandbox: Sandbox, commits: bool, count: int):
    await sandbox.fault(answer="dropped", commits=commits)
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.template(to=RAHUL)
    assert len(await sandbox.sent("msg_01")) == count


async def test_an_answer_may_never_come(sandbox: Sandbox, business: Business):
    await sandbox.fault(answer="hung")
    sandbox.client.timeout = httpx.Timeout(None)
    asking = asyncio.create_task(sandbox.template(to=RAHUL))
    await business.until(lambda b: "read" in states(b))
    assert len(await sandbox.sent("msg_01")) == 1
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_an_answer_may_be_broken_json(sandbox: Sandbox):
    await sandbox.fault(answer="garbled")
    answer = await sandbox.template(to=RAHUL)
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert len(await sandbox.sent("msg_01")) == 1


async def test_a_message_may_fail_after_its_acceptance(sandbox: Sandbox, business: Business):
    await sandbox.fault(fails=131049)
    assert (await sandbox.template(to=RAHUL)).status_code == 200
    await business.until(lambda b: bool(b.statuses))
    assert [(s.state, s.problems[0].code) for s in business.statuses] == [("failed", 131049)]


async def test_statuses_may_come_several_times_backwards_and_with_numbers_for_ids(sandbox: Sandbox, business: Business):
    await sandbox.fault(copies=2, order="backwards", numeric_ids=True)
    await sandbox.template(to=RAHUL)
    await business.until(lambda b: len(b.statuses) == 6)
    assert states(business) == ["read", "read", "delivered", "delivered", "sent", "sent"]
    assert f'"recipient_id":{RAHUL}'.encode() in business.bodies[0]
    assert {status.recipient for status in business.statuses} == {RAHUL}


async def test_statuses_may_come_in_one_webhook(sandbox: Sandbox, business: Business):
    await sandbox.fault(batched=True)
    await sandbox.template(to=RAHUL)
    await business.until(lambda b: len(b.statuses) == 3)
    assert len(business.bodies) == 1


async def test_a_status_may_come_before_the_answer(sandbox: Sandbox, business: Business):
    await sandbox.fault(before_answer=True)
    await sandbox.template(to=RAHUL)
    assert "sent" in states(business)  # without waiting
    await business.until(lambda b: "read" in states(b))
    assert states(business).count("sent") == 1


async def test_a_person_may_hide_the_phone_and_is_answered_at_the_user_id(sandbox: Sandbox, business: Business):
    await sandbox.says("hello", sender=RAHUL, hide_phone=True)
    await business.until(lambda b: bool(b.said))
    sender = business.said[0].sender
    assert (sender.number, sender.wa_id) == (None, None)
    assert sender.user_id is not None
    answer = await sandbox.text("hello", to=sender.user_id)
    assert "wa_id" not in answer.json()["contacts"][0]
    await business.until(lambda b: "read" in states(b))


async def test_a_contact_can_send_anything_that_meta_can(sandbox: Sandbox, business: Business):
    message = {"type": "button", "button": {"payload": "PAY_LATER", "text": "Pay later"}}
    body = {"from": RAHUL, "message": message, "name": "Rahul Verma", "copies": 3, "quoted": "wamid.ours"}
    await sandbox.control("POST", "/meta/inbound", body)
    await business.until(lambda b: len(b.said) == 3)
    assert len({said.id for said in business.said}) == 1
    assert (business.said[0].words, business.said[0].quoted) == ("Pay later", "wamid.ours")
    assert business.said[0].sender.name == "Rahul Verma"


async def test_after_a_reset_nothing_was_ever_sent(sandbox: Sandbox):
    await sandbox.fault(refuse=131000, to=PRIYA)
    await sandbox.template(to=RAHUL)
    await sandbox.control("POST", "/reset")
    assert await sandbox.sent() == []
    assert (await sandbox.template(to=PRIYA)).status_code == 200


async def test_after_a_reset_nothing_is_on_its_way(sandbox: Sandbox, business: Business):
    business.refuses = 1_000
    await sandbox.says("before")
    await sandbox.control("POST", "/meta/reset")
    business.refuses = 0
    await sandbox.says("after")
    await business.until(lambda b: bool(b.said))
    assert [said.words for said in business.said] == ["after"]


class TestAStrictAccount:
    """With a token, a phone id and the pair rate given."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(meta=MetaSettings(access_token="token", phone_id=PHONE_ID, pair_rate=6, read_after=0))

    async def test_another_token_is_refused(self, sandbox: Sandbox):
        answer = await sandbox.send(HEAD | {"type": "text", "text": {"body": "hi"}}, token="other")
        assert answer.json()["error"]["code"] == 190

    async def test_another_number_does_not_exist(self, sandbox: Sandbox):
        answer = await sandbox.send(HEAD | {"type": "text", "text": {"body": "hi"}}, phone_id="1")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)

    async def test_one_contact_gets_one_message_in_six_seconds(self, sandbox: Sandbox):
        assert (await sandbox.template(to=RAHUL)).status_code == 200
        assert (await sandbox.template(to=RAHUL)).json()["error"]["code"] == 131056
        assert (await sandbox.template(to=PRIYA)).status_code == 200
        sandbox.clock.at += timedelta(seconds=6)
        assert (await sandbox.template(to=RAHUL)).status_code == 200
