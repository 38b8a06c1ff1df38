"""What Meta posts is verified on its raw bytes, stored once, and only then acknowledged."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from events.inbound import Received, Unsubscribed
from events.refs import ref_of
from libs.kit.store import Unavailable
from libs.testkit.nouns import HER_PROMISE, PRIYA_PHONE, TENANT
from services.gateways.whatsapp.door import sandbox_door
from services.sandbox import meta_webhook
from tests.services.gateways.conftest import Gateways

SECRET = sandbox_door("").app_secret


def sign(raw: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}", "content-type": "application/json"}


def webhook(value: dict[str, Any]) -> bytes:
    return json.dumps(meta_webhook.envelope("106540352242922", "918047491899", value)).encode()


def message(wamid: str, text: Any = "kal kar dunga") -> dict[str, Any]:
    return {
        "contacts": [{"profile": {"name": "Priya Sharma"}, "wa_id": PRIYA_PHONE[1:]}],
        "messages": [
            {
                "from": PRIYA_PHONE[1:],
                "id": wamid,
                "timestamp": "1771223400",
                "type": "text",
                "text": {"body": text},
            }
        ],
    }


async def post(
    gateways: Gateways, raw: bytes, headers: dict[str, str], path: str = "/webhooks/whatsapp"
) -> httpx.Response:
    return await gateways.client.post(gateways.origin + path, content=raw, headers=headers)


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_a_message_is_stored_with_the_digest_of_its_sender(gateways: Gateways):
    wamid = await gateways.priya_says(HER_PROMISE, quoted="wamid.ours", name="Priya Sharma")
    [fact] = await gateways.inbound("received")
    digest = (await gateways.store.keyring.lookup(TENANT, "whatsapp", PRIYA_PHONE)).hex()
    event = fact.event
    assert isinstance(event, Received)
    assert (event.sender, event.text, event.provider_id) == (PRIYA_PHONE, HER_PROMISE, wamid)
    assert (event.digest, event.sender_name) == (digest, "Priya Sharma")
    assert (event.provider_ref, event.reply_to) == (ref_of(wamid), ref_of("wamid.ours"))
    assert event.sent_at is not None
    assert timedelta(0) <= fact.envelope.occurred_at - event.sent_at < timedelta(seconds=10)  # Meta tells whole seconds
    assert PRIYA_PHONE not in fact.stream
    assert wamid not in fact.stream


async def test_no_word_of_a_message_is_stored_in_plain(gateways: Gateways):
    await gateways.priya_says(HER_PROMISE)
    await gateways.inbound("received")
    rows = await gateways.store.pool.fetch("SELECT data FROM log.event")
    for word in (HER_PROMISE, PRIYA_PHONE, PRIYA_PHONE[1:]):
        assert not any(word.encode() in row["data"] for row in rows)


async def test_the_same_message_three_times_is_one_fact(gateways: Gateways):
    await gateways.priya_says("yes", copies=3)
    await gateways.quiet()
    assert len(await gateways.inbound("received")) == 1


async def test_a_batch_of_messages_is_stored_whole(gateways: Gateways):
    value = message("wamid.1")
    value["messages"] += message("wamid.2", "aur ek")["messages"]
    raw = webhook(value)
    assert (await post(gateways, raw, sign(raw))).status_code == 200
    facts = await gateways.inbound("received", 2)
    assert sorted(fact.event.text for fact in facts) == ["aur ek", "kal kar dunga"]


async def test_a_picture_without_words_is_a_message_of_its_kind(gateways: Gateways):
    content = {"type": "image", "image": {"id": "1003383421387256", "mime_type": "image/jpeg"}}
    await gateways.priya_says("", message=content)
    [fact] = await gateways.inbound("received")
    assert (fact.event.kind, fact.event.text) == ("image", "")


async def digest(gateways: Gateways, address: str) -> str:
    return (await gateways.store.keyring.lookup(TENANT, "whatsapp", address)).hex()


async def test_everything_that_names_the_sender_is_looked_up_by(gateways: Gateways):
    await gateways.priya_says("hello")
    [fact] = await gateways.inbound("received")
    user_id = meta_webhook.user_id(PRIYA_PHONE[1:])
    assert fact.event.digest == await digest(gateways, PRIYA_PHONE)
    assert fact.event.also_known_as == [await digest(gateways, user_id)]


async def test_somebody_who_hides_the_phone_is_known_by_the_same_user_id(gateways: Gateways):
    await gateways.priya_says("hello", hide_phone=True)
    [fact] = await gateways.inbound("received")
    user_id = meta_webhook.user_id(PRIYA_PHONE[1:])
    assert (fact.event.sender, fact.event.digest) == (user_id, await digest(gateways, user_id))
    assert fact.event.also_known_as == []


@pytest.mark.parametrize(
    ("content", "kind", "text", "choice"),
    [
        ({"type": "button", "button": {"payload": "LATER:1", "text": "Later"}}, "button", "Later", "LATER:1"),
        (
            {
                "type": "interactive",
                "interactive": {"type": "list_reply", "list_reply": {"id": "i:1", "title": "INV-1"}},
            },
            "choice",
            "INV-1",
            "i:1",
        ),
        (
            {"type": "location", "location": {"latitude": 19.07, "longitude": 72.87, "name": "Shop"}},
            "location",
            "Shop",
            None,
        ),
        ({"type": "contacts", "contacts": [{"name": {"formatted_name": "Lucía"}}]}, "contacts", "Lucía", None),
        ({"type": "unsupported", "errors": [{"code": 131051, "title": "unknown"}]}, "unsupported", "", None),
    ],
)
async def test_what_is_said_otherwise_is_a_message_of_its_kind(
    gateways: Gateways, content: dict[str, Any], kind: str, text: str, choice: str | None
):
    await gateways.priya_says("", message=content)
    [fact] = await gateways.inbound("received")
    assert (fact.event.kind, fact.event.text, fact.event.choice) == (kind, text, choice)


async def test_a_reaction_is_of_its_own_kind_and_names_what_it_was_put_on(gateways: Gateways):
    await gateways.priya_says("", message={"type": "reaction", "reaction": {"message_id": "wamid.ours", "emoji": "👍"}})
    [fact] = await gateways.inbound("received")
    assert (fact.event.kind, fact.event.text, fact.event.reply_to) == ("reaction", "👍", ref_of("wamid.ours"))


async def test_what_says_nothing_is_no_message(gateways: Gateways):
    before = await gateways.store.head(0)
    for content in (
        {"type": "reaction", "reaction": {"message_id": "wamid.ours", "emoji": ""}},
        {"type": "request_welcome"},
        {"type": "system", "system": {"type": "customer_identity_changed", "body": "changed"}},
    ):
        await gateways.priya_says("", message=content)
    await gateways.control(
        "POST", "/meta/changes", {"field": "account_update", "value": {"event": "ACCOUNT_VIOLATION"}}
    )
    await gateways.quiet()
    assert await gateways.store.head(0) == before


async def test_another_number_is_told_once(gateways: Gateways):
    change = {"type": "system", "system": {"type": "user_changed_number", "body": "changed", "wa_id": "919999999999"}}
    await gateways.priya_says("", message=change, copies=3)
    await gateways.quiet()
    [fact] = await gateways.inbound("address_changed")
    assert (fact.event.digest, fact.event.new_digest, fact.event.new_address) == (
        await digest(gateways, PRIYA_PHONE),
        await digest(gateways, "+919999999999"),
        "+919999999999",
    )
    assert "919999999999" not in fact.stream


async def test_another_user_id_is_told(gateways: Gateways):
    part = {"user_id": {"previous": "IN.1", "current": "IN.2"}, "timestamp": "1771223400"}
    await gateways.control("POST", "/meta/changes", {"field": "user_id_update", "value": {"user_id_update": [part]}})
    [fact] = await gateways.inbound("address_changed")
    assert (fact.event.digest, fact.event.new_address) == (await digest(gateways, "IN.1"), "IN.2")


@pytest.mark.parametrize("value", ["stop", "resume"])
async def test_a_stop_in_whatsapps_own_settings_unsubscribes(gateways: Gateways, value: str):
    part = {"wa_id": PRIYA_PHONE[1:], "category": "marketing_messages", "value": value, "timestamp": 1771223400}
    for _ in range(3):
        await gateways.control(
            "POST", "/meta/changes", {"field": "user_preferences", "value": {"user_preferences": [part]}}
        )
    await gateways.quiet()
    facts = await gateways.store.read_log(0, 0, 1000, families=["inbound"])
    told = [(fact.event.digest, fact.event.how) for fact in facts if isinstance(fact.event, Unsubscribed)]
    assert told == ([(await digest(gateways, PRIYA_PHONE), "preference")] if value == "stop" else [])


async def test_a_wrong_signature_is_401_and_nothing_is_stored(gateways: Gateways):
    raw = webhook(message("wamid.1"))
    before = await gateways.store.head(0)
    for wrong in (
        {},
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": "sha256=00"},
        sign(b"other"),
        sign(raw, "x"),
    ):
        assert_problem(await post(gateways, raw, wrong), 401)
    assert await gateways.store.head(0) == before


@pytest.mark.parametrize("tenant", ["nobody", "%00", "..%2f..", "%ff", "a" * 3000])
async def test_a_tenant_that_does_not_exist_has_no_webhook(gateways: Gateways, tenant: str):
    raw = webhook(message("wamid.1"))
    answer = await gateways.client.post(f"{gateways.origin}/webhooks/{tenant}/whatsapp", content=raw, headers=sign(raw))
    assert answer.status_code == 404


NOT_JSON = [b"", b"not json", b'{"object": ', b"\xff\xfe\x00"]
OTHER_SHAPES = [
    b"[" * 100_000,
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b'{"object": "page", "entry": []}',
    b'{"object": "whatsapp_business_account", "entry": 7}',
    b'{"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{}]}]}',
    webhook({"messages": [{"id": "wamid.1"}]}),
    webhook({"messages": [None]}),
    webhook(message("wamid.1", text=7)),
    webhook({"statuses": [{"id": "wamid.2", "status": "sent", "timestamp": "soon"}]}),
]


async def test_a_malformed_body_is_4xx_and_nothing_is_stored(gateways: Gateways):
    before = await gateways.store.head(0)
    for raw in NOT_JSON:
        assert_problem(await post(gateways, raw, sign(raw)), 400)
    for raw in OTHER_SHAPES:
        assert_problem(await post(gateways, raw, sign(raw)), 422)
    assert await gateways.store.head(0) == before


async def test_a_body_that_is_too_large_is_413(gateways: Gateways):
    raw = b" " * (3 * 1024 * 1024 + 1)
    assert_problem(await post(gateways, raw, sign(raw)), 413)


async def test_the_handshake_answers_the_challenge_and_refuses_a_wrong_token(gateways: Gateways):
    query = {"hub.mode": "subscribe", "hub.verify_token": sandbox_door("").verify_token, "hub.challenge": "1158201444"}
    answer = await gateways.client.get(f"{gateways.origin}/webhooks/whatsapp", params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for wrong in ({"hub.verify_token": "guess"}, {"hub.mode": "unsubscribe"}, {"hub.challenge": ""}):
        refused = await gateways.client.get(f"{gateways.origin}/webhooks/whatsapp", params=query | wrong)
        assert_problem(refused, 403)


async def test_a_tenant_has_a_path_of_its_own(gateways: Gateways):
    raw = webhook(message("wamid.1"))
    assert (await post(gateways, raw, sign(raw), f"/webhooks/{TENANT}/whatsapp")).status_code == 200
    await gateways.inbound("received")
    assert_problem(await post(gateways, raw, sign(raw), "/webhooks/nobody/whatsapp"), 404)


async def test_a_store_that_is_away_is_503_and_the_repeated_webhook_is_taken(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("Postgres is away")

    raw = webhook(message("wamid.1"))
    with monkeypatch.context() as patch:
        patch.setattr(gateways.own_store, "append", away)
        answer = await post(gateways, raw, sign(raw))
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert (await post(gateways, raw, sign(raw))).status_code == 200
    assert len(await gateways.inbound("received")) == 1


async def test_a_message_of_another_shape_does_not_cost_the_stop_that_came_with_it(gateways: Gateways):
    body = json.loads(webhook(message("wamid.odd", text=5)))
    body["entry"].append(json.loads(webhook(message("wamid.stop", text="STOP")))["entry"][0])
    raw = json.dumps(body).encode()
    for _ in range(2):  # Meta repeats what it is refused
        assert_problem(await post(gateways, raw, sign(raw)), 422)
    [fact] = await gateways.inbound("received")
    assert isinstance(fact.event, Received)
    assert (fact.event.text, fact.event.provider_ref) == ("STOP", ref_of("wamid.stop"))
