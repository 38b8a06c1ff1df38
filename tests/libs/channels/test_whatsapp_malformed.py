"""What of WhatsApp's webhook is refused, and what is read all the same."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.channels.whatsapp import Malformed, Other, Preference, read
from libs.channels.whatsapp_items import Inbound, Status, Text
from tests.libs.channels.test_whatsapp_inbound import SAID
from tests.libs.channels.webhooks import message, messages, status, statuses, webhook


@pytest.mark.parametrize(
    "broken",
    [
        messages(message("text")),
        messages({"id": "1"}),
        messages({"id": "1", "timestamp": "1", "type": "text", "from": "", "text": {"body": "hi"}}),
        messages(message("button", button={"payload": "PAY"})),
        statuses(status("sent", timestamp="noon")),
        {"field": "messages", "value": {"messages": []}},
        {"field": "user_preferences", "value": {"user_preferences": [{}]}},
    ],
    ids=range(7),
)
def test_what_has_a_wrong_shape_does_not_cost_what_came_with_it(broken: dict[str, Any]):
    before, after = messages(message("text", text={"body": "STOP"})), statuses(status("read"))
    with pytest.raises(Malformed) as refused:
        read(webhook(before, broken, after))
    first, last = refused.value.others
    assert isinstance(first, Inbound)
    assert isinstance(last, Status)
    assert (first.words, last.state) == ("STOP", "read")


def test_within_one_change_too_only_the_broken_message_is_left_out():
    with pytest.raises(Malformed) as refused:
        read(webhook(messages(message("text"), message("text", text={"body": "STOP"}))))
    [stop] = refused.value.others
    assert isinstance(stop, Inbound)
    assert stop.words == "STOP"
    assert "messages[0]" in str(refused.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "at $: must be JSON"),
        (b"\xff{}", "at $: must be JSON in UTF-8"),
        (b"[]", "at $: Expected `object`"),
        (b'{"entry": []}', "required field `object`"),
        (b'{"object": "page", "entry": []}', "at $.object"),
        (b'{"object": "whatsapp_business_account", "entry": {}}', "at $.entry: Expected `array`"),
        (webhook({"field": "x", "value": 0}).replace(b"0}", b"[" * 9999 + b"]" * 9999 + b"}"), "nested this deep"),
        (webhook({"field": "messages", "value": {"messages": []}}), "at $.entry[0].changes[0].value: Object missing"),
        (webhook(messages({"id": "1"})), "at $.entry[0].changes[0].value.messages[0]: Object missing required field"),
        (webhook(messages(message("text"))), "a message of type 'text' must have an object 'text'"),
        (webhook(messages(message("text", text={"body": 5}))), "messages[0].text.body: Expected `str`"),
        (webhook(statuses(status("sent", timestamp="noon"))), "statuses[0].timestamp: must be seconds"),
        (webhook(statuses(status("sent", timestamp=10**30))), "statuses[0].timestamp: must be seconds"),
        (webhook(messages({"id": "1", "timestamp": "1", "type": "text"})), "must say who wrote it"),
        (webhook(messages({"id": "1", "timestamp": "1", "type": "text", "from": ""})), "must say who wrote it"),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_with_the_place_and_what_would_be_right(body: bytes, says: str):
    with pytest.raises(Malformed) as refused:
        read(body)
    assert says in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged_webhooks(draw: st.DrawFn) -> bytes:
    """A real body in which one value somewhere is replaced by any other."""
    body = json.loads(
        webhook(draw(st.sampled_from([messages(said) for said, _, _ in SAID.values()] + [statuses(status("sent"))])))
    )
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(body)
    node, key = draw(st.sampled_from(places))
    node[key] = draw(json_values)
    return json.dumps(body).encode()


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()) | damaged_webhooks())
def test_no_body_whatever_raises_anything_but_malformed(body: bytes):
    with contextlib.suppress(Malformed):
        assert all(isinstance(item, Inbound | Status | Preference | Other) for item in read(body))


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (rb"ok \ud83d", "ok \ufffd"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
    ],
)
def test_half_an_emoji_costs_nothing_but_itself(written: bytes, read_as: str):
    raw = webhook(messages(message("text", text={"body": "HALF"}), message("text", text={"body": "two"})))
    contents = [item.content for item in read(raw.replace(b"HALF", written)) if isinstance(item, Inbound)]
    assert contents == [Text(body=read_as), Text(body="two")]
