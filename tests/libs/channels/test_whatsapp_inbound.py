"""What WhatsApp's webhook tells us."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from libs.channels.whatsapp import Other, Preference, read
from libs.channels.whatsapp_items import (
    AddressChange,
    ButtonPress,
    Cards,
    Choice,
    Content,
    Inbound,
    Location,
    Media,
    Problem,
    Reaction,
    Status,
    System,
    TemplateUpdate,
    Text,
    Unread,
)
from tests.libs.channels.webhooks import (
    ACCOUNT,
    BUSINESS,
    METADATA,
    PRIYA_USER_ID,
    PRIYA_WA_ID,
    SECONDS,
    message,
    messages,
    status,
    statuses,
    webhook,
)

AT = datetime(2025, 11, 27, 10, 14, 13, tzinfo=UTC)
MEDIA = {"id": "1003383421387256", "mime_type": "image/jpeg", "sha256": "SfIn="}

SAID: dict[str, tuple[dict[str, Any], Content, str | None]] = {
    "text": (message("text", text={"body": "kal tak kar dunga"}), Text("kal tak kar dunga"), "kal tak kar dunga"),
    "hindi": (message("text", text={"body": "हाँ जी 👍"}), Text("हाँ जी 👍"), "हाँ जी 👍"),
    "template button": (
        message("button", button={"payload": "PAY_LATER:INV-1042", "text": "Pay later"}),
        ButtonPress("Pay later", "PAY_LATER:INV-1042"),
        "Pay later",
    ),
    "button reply": (
        message(
            "interactive", interactive={"type": "button_reply", "button_reply": {"id": "ptp:f", "title": "Friday"}}
        ),
        Choice("ptp:f", "Friday", None),
        "Friday",
    ),
    "list reply": (
        message(
            "interactive",
            interactive={"type": "list_reply", "list_reply": {"id": "i:1", "title": "INV-1", "description": "₹12,500"}},
        ),
        Choice("i:1", "INV-1", "₹12,500"),
        "INV-1",
    ),
    "reaction": (
        message("reaction", reaction={"message_id": "wamid.ours", "emoji": "👍"}),
        Reaction("wamid.ours", "👍"),
        "👍",
    ),
    "reaction withdrawn": (
        message("reaction", reaction={"message_id": "wamid.ours", "emoji": ""}),
        Reaction("wamid.ours", None),
        None,
    ),
    "image": (
        message("image", image={**MEDIA, "caption": "receipt"}),
        Media("image", "1003383421387256", "image/jpeg", "SfIn=", "receipt", None, False),
        "receipt",
    ),
    "voice note": (
        message("audio", audio={"id": "7", "mime_type": "audio/ogg; codecs=opus", "voice": True}),
        Media("audio", "7", "audio/ogg; codecs=opus", None, None, None, True),
        None,
    ),
    "document": (
        message("document", document={"id": "1", "mime_type": "application/pdf", "filename": "utr.pdf"}),
        Media("document", "1", "application/pdf", None, None, "utr.pdf", False),
        None,
    ),
    "video": (message("video", video={"id": 5}), Media("video", "5", None, None, None, None, False), None),
    "sticker": (message("sticker", sticker={"id": "6"}), Media("sticker", "6", None, None, None, None, False), None),
    "location": (
        message("location", location={"latitude": 19, "longitude": 72.87, "name": "Shop", "address": "Mumbai"}),
        Location(19.0, 72.87, "Shop", "Mumbai"),
        "Shop, Mumbai",
    ),
    "location without a name": (
        message("location", location={"latitude": 19.076, "longitude": 72.8777}),
        Location(19.076, 72.8777, None, None),
        "19.07600, 72.87770",
    ),
    "contacts": (
        message(
            "contacts",
            contacts=[
                {
                    "name": {"formatted_name": "Lucía"},
                    "phones": [{"phone": "+91 98", "wa_id": "9198"}, {"wa_id": 9199}],
                },
                {},
            ],
        ),
        Cards((("Lucía", ("+91 98", "9199")), ("?", ()))),
        "Lucía +91 98 9199\n?",
    ),
    "identity changed": (
        message("system", system={"type": "customer_identity_changed", "body": "changed"}),
        System("customer_identity_changed", "changed", None),
        None,
    ),
}


@pytest.mark.parametrize("shape", SAID)
def test_each_type_of_message_is_read_with_all_that_it_says(shape: str):
    body, content, words = SAID[shape]
    (said,) = read(webhook(messages(body)))
    assert isinstance(said, Inbound)
    assert said.content == content
    assert said.words == words
    assert (said.account, said.id, said.at) == (ACCOUNT, "wamid.said", AT)
    assert said.sender.number == "+919876543210"
    assert (said.sender.wa_id, said.sender.user_id, said.sender.name) == (PRIYA_WA_ID, PRIYA_USER_ID, "Priya Sharma")


@pytest.mark.parametrize(
    ("kind", "content", "named"),
    [
        ("order", {"order": {"catalog_id": "1"}}, "order"),
        ("request_welcome", {}, "request_welcome"),
        ("unsupported", {"errors": [{"code": 131051, "title": "Message type unknown"}]}, "unsupported"),
        ("interactive", {"interactive": {"type": "nfm_reply", "nfm_reply": {"body": "Sent"}}}, "interactive.nfm_reply"),
        ("hologram", {"hologram": {"depth": 3}}, "hologram"),
    ],
)
def test_a_message_of_another_type_is_kept_whole(kind: str, content: dict[str, Any], named: str):
    body = message(kind, **content)
    (said,) = read(webhook(messages(body)))
    assert isinstance(said, Inbound)
    assert isinstance(said.content, Unread)
    assert said.content.kind == named
    assert json.loads(said.content.raw) == body


def test_a_message_that_meta_does_not_pass_on_says_why():
    error = {"code": 131051, "title": "Message type unknown", "error_data": {"details": "not supported"}}
    (said,) = read(webhook(messages(message("unsupported", errors=[error]))))
    assert isinstance(said, Inbound)
    assert said.problems == (Problem(131051, "Message type unknown", "not supported"),)


def system(**change: Any) -> bytes:
    body = message("system", system=change)
    del body["from_user_id"]
    return webhook(messages(body, contacts=()))


def test_another_number_is_a_change_of_address():
    said = read(system(type="user_changed_number", body="User changed", wa_id="919999999999"))
    assert said == [AddressChange("wamid.said 0", "+919876543210", "+919999999999", AT)]


def test_another_number_may_come_with_another_user_id():
    new = {"wa_id": 919999999999, "user_id": "IN.2", "previous_user_id": "IN.1"}
    assert read(system(type="user_changed_number", **new)) == [
        AddressChange("wamid.said 0", "+919876543210", "+919999999999", AT),
        AddressChange("wamid.said 1", "IN.1", "IN.2", AT),
    ]


@pytest.mark.parametrize(
    ("head", "change"),
    [
        ({}, {"previous_user_id": "IN.1", "user_id": "IN.2"}),
        ({"from_user_id": "IN.1"}, {"user_id": "IN.2"}),
        ({}, {"user_id": "IN.2", "body": "User Priya changed from IN.1 to IN.2"}),
    ],
)
def test_another_user_id_alone_is_a_change_of_address(head: dict[str, Any], change: dict[str, Any]):
    body = message("system", system={"type": "user_changed_user_id", **change})
    del body["from"], body["from_user_id"]
    said = read(webhook(messages(body | head, contacts=())))
    assert said == [AddressChange("wamid.said 0", "IN.1", "IN.2", AT)]


@pytest.mark.parametrize(
    "part",
    [
        {"user_id": {"previous": "IN.1", "current": "IN.2"}, "timestamp": SECONDS},
        {"previous_user_id": "IN.1", "user_id": "IN.2", "timestamp": int(SECONDS)},
    ],
)
def test_an_update_of_user_ids_is_a_change_of_address(part: dict[str, Any]):
    value = {"messaging_product": "whatsapp", "metadata": METADATA, "user_id_update": [part]}
    assert read(webhook({"field": "user_id_update", "value": value})) == [
        AddressChange("IN.1 IN.2", "IN.1", "IN.2", AT)
    ]


@pytest.mark.parametrize("field", ["user_id_update", "message_template_status_update", "account_update"])
def test_a_change_in_a_shape_that_we_do_not_know_holds_nothing_up(field: str):
    strange = {"field": field, "value": {"moved": [1, 2]}}
    other, said = read(webhook(strange, messages(message("text", text={"body": "hello"}))))
    assert other == Other(BUSINESS, field, b'{"moved": [1, 2]}')
    assert isinstance(said, Inbound)


def test_everything_that_names_the_sender_is_known():
    body = message("text", text={"body": "hello"}) | {"from_parent_user_id": "IN.ENT.7"}
    (said,) = read(webhook(messages(body)))
    assert isinstance(said, Inbound)
    assert said.sender.addresses == ("+919876543210", PRIYA_USER_ID, "IN.ENT.7")


def test_a_quoted_message_is_named():
    (said,) = read(webhook(messages(message("text", text={"body": "yes"}, context={"id": "wamid.ours", "from": "91"}))))
    assert isinstance(said, Inbound)
    assert said.quoted == "wamid.ours"


def test_a_person_who_hides_the_phone_is_known_by_the_user_id():
    body = message("text", text={"body": "hello"})
    del body["from"]
    contact = {"user_id": PRIYA_USER_ID, "profile": {"name": "Priya", "username": "priya.s"}}
    (said,) = read(webhook(messages(body, contacts=(contact,))))
    assert isinstance(said, Inbound)
    assert (said.sender.number, said.sender.wa_id, said.sender.user_id) == (None, None, PRIYA_USER_ID)
    assert said.sender.name == "Priya"


def test_ids_that_come_as_numbers_read_like_ids_that_come_as_text():
    numeric = message("text", text={"body": "hello"})
    numeric |= {"from": int(PRIYA_WA_ID), "timestamp": int(SECONDS), "id": 77}
    change = messages(numeric, contacts=({"wa_id": int(PRIYA_WA_ID), "profile": {"name": "Priya Sharma"}},))
    change["value"]["metadata"] = {"phone_number_id": int(ACCOUNT)}
    (said,) = read(webhook(change))
    assert isinstance(said, Inbound)
    assert (said.account, said.id, said.sender.number, said.at) == (ACCOUNT, "77", "+919876543210", AT)
    assert said.sender.name == "Priya Sharma"


@pytest.mark.parametrize("state", ["sent", "delivered", "read", "played", "failed"])
def test_a_status_says_how_far_which_message_got(state: str):
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}
    assert read(webhook(statuses(status(state, pricing=pricing)))) == [
        Status(ACCOUNT, "wamid.ours", state, AT, PRIYA_WA_ID, "msg_01", (), True, "utility")  # type: ignore[arg-type]  # a parameter is any str
    ]


def test_a_failure_says_why():
    error = {
        "code": 131047,
        "title": "Re-engagement message",
        "message": "Re-engagement message",
        "error_data": {"details": "more than 24 hours have passed"},
        "href": "https://developers.facebook.com/",
    }
    (failed,) = read(webhook(statuses(status("failed", errors=[error]))))
    assert isinstance(failed, Status)
    assert failed.problems == (Problem(131047, "Re-engagement message", "more than 24 hours have passed"),)


def test_a_status_with_an_unheard_word_is_kept_whole():
    body = status("teleported")
    (other,) = read(webhook(statuses(body)))
    assert isinstance(other, Other)
    assert (other.business, other.field) == (BUSINESS, "statuses")
    assert json.loads(other.raw) == body


def test_a_stop_in_whatsapps_own_settings_is_read():
    preference = {"wa_id": PRIYA_WA_ID, "user_id": PRIYA_USER_ID, "detail": "User requested to stop marketing messages"}
    preference |= {"category": "marketing_messages", "value": "stop", "timestamp": int(SECONDS)}  # type: ignore[dict-item]  # Meta mixes them
    value = {"messaging_product": "whatsapp", "metadata": METADATA, "user_preferences": [preference]}
    (stop,) = read(webhook({"field": "user_preferences", "value": value}))
    assert isinstance(stop, Preference)
    assert (stop.account, stop.sender.number, stop.category, stop.value, stop.at) == (
        ACCOUNT,
        "+919876543210",
        "marketing_messages",
        "stop",
        AT,
    )


@pytest.mark.parametrize(("reason", "told"), [("NONE", None), ("INCORRECT_CATEGORY", "INCORRECT_CATEGORY")])
def test_a_template_that_was_paused_is_told(reason: str, told: str | None):
    value = {"event": "PAUSED", "message_template_id": 1689556908129832, "message_template_name": "payment_reminder_v3"}
    value |= {"message_template_language": "en", "reason": reason, "other_info": {"title": "FIRST_PAUSE"}}
    (update,) = read(webhook({"field": "message_template_status_update", "value": value}))
    assert update == TemplateUpdate(BUSINESS, "payment_reminder_v3", "en", "PAUSED", told)


def test_an_error_beside_the_messages_is_kept():
    change = statuses(status("sent"))
    change["value"]["errors"] = [{"code": 131000, "title": "Something went wrong"}]
    first, second = read(webhook(change))
    assert isinstance(first, Status)
    assert second == Other(BUSINESS, "errors", b'{"code": 131000, "title": "Something went wrong"}')


def test_all_three_levels_of_a_batch_are_read_in_order():
    one, two = message("text", text={"body": "one"}), message("text", text={"body": "two"})
    body = json.loads(webhook(messages(one, two), statuses(status("sent"), status("read"))))
    body["entry"].append(json.loads(webhook(messages(one)))["entry"][0])
    items = read(json.dumps(body).encode())
    assert [i.words if isinstance(i, Inbound) else i.state for i in items if isinstance(i, Inbound | Status)] == [
        "one",
        "two",
        "sent",
        "read",
        "one",
    ]
