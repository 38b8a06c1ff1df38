"""What a CloudEvent means: the same event in each mode, by the rules of CloudEvents 1.0.2."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from libs.domain.given import Wrong
from libs.testkit.nouns import INVOICE_OVERDUE
from services.ingest.cloudevents import Refused, Told, batch, binary, content_of, mode_of, structured
from services.ingest.decide import EventIn

NEEDED: dict[str, Any] = {"specversion": "1.0", "id": "erp-7f3a", "source": "/erpnext/acme", "type": "invoice_overdue"}
EVENT: dict[str, Any] = {**NEEDED, "data": INVOICE_OVERDUE}
BODY = msgspec.json.encode(INVOICE_OVERDUE)


def headers(event: dict[str, Any] = NEEDED, content_type: str = "application/json") -> list[tuple[bytes, bytes]]:
    """The headers of an event in binary mode, its values as they are."""
    named = [(f"ce-{name}".encode(), str(value).encode("latin-1")) for name, value in event.items()]
    return [(b"host", b"localhost"), *named, (b"content-type", content_type.encode())]


def test_an_event_means_the_same_in_structured_and_binary_mode():
    told = structured({**EVENT, "time": "2026-02-16T05:00:00Z", "subject": "INV-7", "sampled": True, "tries": 3})
    assert told == Told(
        EventIn(
            event_name="invoice_overdue",
            data=INVOICE_OVERDUE,
            event_id="erp-7f3a",
            source="/erpnext/acme",
            occurred_at=datetime(2026, 2, 16, 5, tzinfo=UTC),
        ),
        {"subject": "INV-7", "sampled": "true", "tries": "3"},
    )
    named = {**NEEDED, "time": "2026-02-16T05:00:00Z", "subject": "INV-7", "sampled": "true", "tries": "3"}
    assert binary(headers(named, "application/json; charset=utf-8"), BODY) == told


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),  # HTTP 3.1.3.2, its own example
        ("%e0%a4%9a%e0%a4%be%e0%a4%b2%e0%a4%be%e0%a4%a8", "चालान"),
        ("%41BC", "ABC"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        (r'"two words \"quoted\" and a \\"', 'two words "quoted" and a \\'),
        ('"Euro%20%E2%82%AC"', "Euro €"),
    ],
)
def test_a_header_is_unquoted_and_then_percent_decoded_once(sent: str, text: str):
    assert binary(headers({**NEEDED, "subject": sent}), BODY).attributes == {"subject": text}


@pytest.mark.parametrize(
    ("content_type", "named", "mode"),
    [
        ("application/cloudevents+json; charset=utf-8", (), "structured"),
        ("Application/CloudEvents+JSON", (), "structured"),
        ("application/cloudevents+json", ("ce-specversion", "ce-id"), "structured"),
        ("application/cloudevents-batch+json", (), "batch"),
        ("application/json", ("ce-specversion",), "binary"),
        ("", ("ce-id",), "binary"),
        ("application/json", (), None),
        ("application/json", ("ce-type",), None),
        ("", (), None),
    ],
)
def test_the_media_type_and_else_the_headers_tell_the_mode(content_type: str, named: tuple[str, ...], mode: str | None):
    assert mode_of(content_type, named.__contains__) == mode


@pytest.mark.parametrize(
    "media_type", ["application/cloudevents", "application/cloudevents+avro", "application/cloudevents-batch+xml"]
)
def test_another_format_than_json_is_refused(media_type: str):
    with pytest.raises(Refused) as refused:
        mode_of(media_type, ().__contains__)
    assert refused.value.status == 415


@pytest.mark.parametrize("empty", [{}, {"data": None}, {"data": {}}, {"data": None, "data_base64": None}])
def test_an_event_without_data_has_none(empty: dict[str, Any]):
    assert structured({**NEEDED, **empty}).event.data == {}


def test_null_is_an_attribute_that_is_not_set():
    assert structured({**EVENT, "subject": None, "time": None, "extension": None}) == structured(EVENT)


@pytest.mark.parametrize("type_", ["application/json", "Application/JSON; charset=utf-8"])
def test_that_data_is_json_says_nothing(type_: str):
    assert (
        structured({**EVENT, "datacontenttype": type_})
        == structured(EVENT)
        == binary(headers(content_type=type_), BODY)
    )


@pytest.mark.parametrize("type_", ["application/vnd.acme.invoice+json", "text/json"])
def test_another_kind_of_json_is_kept(type_: str):
    told = structured({**EVENT, "datacontenttype": type_})
    assert told.attributes == {"datacontenttype": type_}
    assert told == binary(headers(content_type=type_), BODY)


def test_an_event_that_says_no_more_is_equal_to_the_plain_form():
    plain = Told(EventIn(event_name="invoice_overdue", data=INVOICE_OVERDUE, event_id="1", source="acme"), {})
    assert content_of(structured(EVENT)) == content_of(plain)
    assert content_of(structured({**EVENT, "subject": "INV-7"})) != content_of(plain)


def test_what_a_broker_renews_with_each_delivery_is_no_other_content():
    first = structured(
        {**EVENT, "subject": "INV-7", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    )
    again = structured(
        {**EVENT, "subject": "INV-7", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"}
    )
    assert first.attributes["traceparent"] != again.attributes["traceparent"]
    assert content_of(first) == content_of(again)


NO_ATTRIBUTE: list[Any] = [[], {}, 1.5, 2**31, -(2**31) - 1, 10**400]
WRONG: list[tuple[Any, int, str]] = [
    *((value, 422, "$") for value in (None, 7, "text", [], [EVENT], True)),
    ({}, 422, "$.specversion"),
    ({**EVENT, "specversion": None}, 422, "$.specversion"),
    ({**EVENT, "specversion": 1.0}, 422, "$.specversion"),
    ({**EVENT, "specversion": "0.3"}, 400, "$.specversion"),
    ({**EVENT, "specversion": "1.0.2"}, 400, "$.specversion"),
    ({**EVENT, "specversion": ""}, 400, "$.specversion"),
    *(({**EVENT, name: None}, 422, f"$.{name}") for name in ("id", "source", "type")),
    *(({**EVENT, name: ""}, 422, f"$.{name}") for name in ("id", "source", "type", "subject", "dataschema", "time")),
    *(({**EVENT, name: 7}, 422, f"$.{name}") for name in ("id", "source", "type", "subject", "dataschema", "time")),
    *(({**EVENT, name: True}, 422, f"$.{name}") for name in ("id", "subject")),
    ({**EVENT, "id": "i" * 201}, 422, "$.id"),
    ({**EVENT, "type": "t" * 201}, 422, "$.type"),
    ({**EVENT, "source": "s" * 2049}, 422, "$.source"),
    ({**EVENT, "id": "a\nb"}, 422, "$.id"),
    ({**EVENT, "subject": "a\u0085b"}, 422, "$.subject"),
    ({**EVENT, "subject": "a\ufffeb"}, 422, "$.subject"),
    ({**EVENT, "subject": "a\U0010ffffb"}, 422, "$.subject"),
    ({**EVENT, "time": "yesterday"}, 422, "$.time"),
    ({**EVENT, "time": "2026-02-16T10:30:00"}, 422, "$.time"),
    ({**EVENT, "time": "2026-02-30T10:30:00Z"}, 422, "$.time"),
    *(({**EVENT, "extension": value}, 422, "$.extension") for value in NO_ATTRIBUTE),
    *(({**EVENT, name: "x"}, 422, f"$.{name}") for name in ("Extension", "an_extension", "an-extension", "", "é", "٣")),
    *(({**EVENT, "data": value}, 422, "$.data") for value in ([], "text", 7, False, [INVOICE_OVERDUE])),
    ({**EVENT, "data": {"text": "a" * (256 * 1024)}}, 413, "$.data"),
    ({**EVENT, "subject": "a" * (64 * 1024)}, 413, "$"),
    ({**EVENT, "datacontenttype": "application/xml"}, 415, "$.datacontenttype"),
    ({**EVENT, "datacontenttype": "json"}, 415, "$.datacontenttype"),
    ({**EVENT, "datacontenttype": ""}, 422, "$.datacontenttype"),
    ({**NEEDED, "data_base64": "e30="}, 415, "$.data_base64"),
    ({**EVENT, "data_base64": "e30="}, 422, "$.data_base64"),
]


@pytest.mark.parametrize(("value", "status", "path"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_a_malformed_event_is_refused_with_its_place(value: Any, status: int, path: str):
    with pytest.raises(Wrong) as wrong:
        structured(value)
    assert (getattr(wrong.value, "status", 422), wrong.value.path) == (status, path)


def without(name: str) -> list[tuple[bytes, bytes]]:
    return headers({each: value for each, value in NEEDED.items() if each != name})


MALFORMED: list[tuple[list[tuple[bytes, bytes]], bytes, int, str]] = [
    *((without(name), BODY, 422, f"ce-{name}") for name in NEEDED),
    (headers({**NEEDED, "specversion": "0.3"}), BODY, 400, "ce-specversion"),
    (headers({**NEEDED, "subject": "%C0%A0"}), BODY, 422, "ce-subject"),  # HTTP 3.1.3.2: an overlong blank
    (headers({**NEEDED, "subject": "%FF"}), BODY, 422, "ce-subject"),
    (headers({**NEEDED, "subject": "%00"}), BODY, 422, "ce-subject"),
    (headers({**NEEDED, "subject": "%ED%A0%80"}), BODY, 422, "ce-subject"),
    (headers({**NEEDED, "time": "now"}), BODY, 422, "ce-time"),
    (headers({**NEEDED, "an-extension": "x"}), BODY, 422, "ce-an-extension"),
    (headers({**NEEDED, "datacontenttype": "application/json"}), BODY, 422, "ce-datacontenttype"),
    (headers({**NEEDED, "data": "{}"}), BODY, 422, "ce-data"),
    ([*headers(), (b"ce-id", b"another")], BODY, 422, "ce-id"),
    ([*headers(), (b"content-type", b"text/plain")], BODY, 422, "content-type"),
    (headers(content_type="text/plain"), b"text", 415, "content-type"),
    (headers(content_type="application/x-www-form-urlencoded"), BODY, 415, "content-type"),
    (headers(), b"{", 400, "$"),
    (headers(), b'{"a": "\xff"}', 400, "$"),
    (headers(), b'{"a": %s' % (b"[" * 100_000), 400, "$"),
    (headers(), b"[]", 422, "$"),
    (headers(), b'"text"', 422, "$"),
    (headers(), b"\xef\xbb\xbf{}", 400, "$"),
    (headers(), msgspec.json.encode({"text": "a" * (256 * 1024)}), 413, "$"),
]


@pytest.mark.parametrize(
    ("sent", "body", "status", "path"), MALFORMED, ids=[str(number) for number in range(len(MALFORMED))]
)
def test_malformed_headers_or_data_are_refused_with_their_place(
    sent: list[tuple[bytes, bytes]], body: bytes, status: int, path: str
):
    with pytest.raises(Wrong) as wrong:
        binary(sent, body)
    assert (getattr(wrong.value, "status", 422), wrong.value.path) == (status, path)


def test_of_a_batch_each_element_is_looked_at_by_itself():
    first, second, third = batch([EVENT, {**EVENT, "specversion": "9"}, {**EVENT, "id": ""}])
    assert first == structured(EVENT)
    assert isinstance(second, Refused)
    assert (second.status, second.path) == (400, "$[1].specversion")
    assert isinstance(third, Wrong)
    assert third.path == "$[2].id"


@pytest.mark.parametrize("value", [None, {}, EVENT, "text"])
def test_a_batch_is_an_array(value: Any):
    with pytest.raises(Wrong):
        batch(value)


def test_a_batch_has_at_most_a_thousand_events():
    assert len(batch([None] * 1000)) == 1000
    with pytest.raises(Refused) as refused:
        batch([None] * 1001)
    assert refused.value.status == 413
