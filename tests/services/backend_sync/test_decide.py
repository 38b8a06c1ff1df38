"""The ERP's side as data: which request asks it, and what its answer means."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from events.address import SenderUnknown
from events.contact import Address, Profile
from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from services.backend_sync import decide
from services.backend_sync.decide import Answered, Impossible, Later, Refused, Request
from services.backend_sync.settings import Door, NoBackend, Settings, door

BACKEND = """
backend:
  type: rest
  base_url: https://erp.example/api/
  auth_type: none
  endpoints:
    look: /invoices/{invoice_id}/lines/{line}
    find: {method: POST, path: /find}
    tell: /invoices/{invoice_id}
    note: {method: POST, path: "/notes"}
    get_contact: /contacts/{contact_id}
    get_followups: /followups
  mapping:
    get_contact: {id: customer_id, name: "names.full", channels: "phones[].{channel: 'whatsapp', address: number}"}
    get_followups: {id: number, contact_id: customer}
    find: {amount: to_number(total), open: "sum(lines[].left)", words: to_string(total), high: "max_by(lines, &left).left"}
"""


def bundle_of(text: str = BACKEND) -> Bundle:
    loaded = compile_bundle({"settings.yaml": text}, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


BUNDLE = bundle_of()


def read(status: int, body: bytes, retry_after: float | None = None, name: str = "look") -> Answered | Refused | Later:
    return decide.read(BUNDLE, name, status, body, retry_after)


def test_values_named_in_the_path_fill_it_and_the_rest_of_a_get_goes_to_the_query():
    payload = {"invoice_id": "INV 1/ü", "line": 7, "full": True, "price": 1.5, "exact": Decimal("1.50"), "none": None}
    assert decide.request(BUNDLE, "look", payload, writes=False) == Request(
        "GET", "/invoices/INV%201%2F%C3%BC/lines/7", {"full": "true", "price": "1.5", "exact": "1.50"}, None
    )


def test_what_remains_of_another_method_is_the_body():
    asked = decide.request(BUNDLE, "find", {"word": "x", "none": None}, writes=False)
    assert (asked.method, asked.path, asked.query) == ("POST", "/find", {})
    assert asked.body is not None
    assert msgspec.json.decode(asked.body) == {"word": "x", "none": None}


@pytest.mark.parametrize(("endpoint", "method"), [("tell", "PUT"), ("note", "POST")])
def test_a_write_is_a_put_unless_the_bundle_says_otherwise(endpoint: str, method: str):
    asked = decide.request(BUNDLE, endpoint, {"invoice_id": "1", "status": "resolved"}, writes=True)
    assert asked.method == method


def test_a_value_that_fills_the_path_leaves_the_body():
    asked = decide.request(BUNDLE, "tell", {"invoice_id": "1", "status": "resolved"}, writes=True)
    assert (asked.path, asked.body) == ("/invoices/1", b'{"status":"resolved"}')


@pytest.mark.parametrize(
    "payload", [{}, {"invoice_id": "1"}, {"invoice_id": "", "line": 1}, {"invoice_id": None, "line": 1}]
)
def test_a_path_that_cannot_be_filled_is_impossible(payload: dict[str, Any]):
    with pytest.raises(Impossible, match="for its path"):
        decide.request(BUNDLE, "look", payload, writes=False)


@pytest.mark.parametrize("value", [".", ".."])
def test_no_value_climbs_out_of_its_path(value: str):
    with pytest.raises(Impossible, match="cannot stand for"):
        decide.request(BUNDLE, "tell", {"invoice_id": value}, writes=True)


def test_an_endpoint_that_the_bundle_does_not_have_is_impossible():
    with pytest.raises(Impossible, match="no endpoint 'nothing'"):
        decide.request(BUNDLE, "nothing", {}, writes=False)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_an_answer(status: int):
    assert read(status, b"") == Answered(status, None)
    assert read(status, b'{"a": 1}') == Answered(status, {"a": 1})


@pytest.mark.parametrize("status", [401, 408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_go_better_another_time_is_asked_again(status: int):
    assert read(status, b"", 7.0) == Later(f"HTTP {status}", 7.0)


@pytest.mark.parametrize("status", [301, 304, 400, 403, 404, 405, 409, 410, 422])
def test_what_never_goes_better_is_a_refusal(status: int):
    answer = read(status, b'{"title": "No such thing", "detail": "nothing here"}')
    assert answer == Refused(status, f"HTTP {status}: No such thing: nothing here")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>Priya Sharma</html>", "no JSON body"),
        (b'{"name": "Priya"}', "no problem details"),
        (b"[]", "no problem"),
    ],
)
def test_a_refusals_reason_holds_nothing_but_problem_details(body: bytes, words: str):
    answer = read(400, body)
    assert isinstance(answer, Refused)
    assert words in answer.reason
    assert "Priya" not in answer.reason


@pytest.mark.parametrize("body", [b"<html>", b"{", b"\xff\xfe", b'{"a":' + b"[" * 50_000])
def test_a_2xx_that_is_no_json_is_a_refusal_that_says_so(body: bytes):
    answer = read(200, body)
    assert isinstance(answer, Refused)
    assert "not JSON" in answer.reason


def test_amounts_stay_as_the_erp_sent_them():
    answer = read(200, b'{"amount": 118750.50, "tiny": 0.10000000000000000001, "whole": 52400}')
    assert isinstance(answer, Answered)
    assert answer.result == {
        "amount": Decimal("118750.50"),
        "tiny": Decimal("0.10000000000000000001"),
        "whole": 52400,
    }
    assert str(answer.result["amount"]) == "118750.50"


def test_an_answer_is_mapped_field_by_field_and_keeps_the_rest():
    raw = b'{"customer_id": 7, "names": {"full": "Priya"}, "phones": [{"number": "98765 43210"}], "vip": true}'
    answer = read(200, raw, name="get_contact")
    assert isinstance(answer, Answered)
    contact_id, profile = decide.profile_of(answer.result)
    assert (contact_id, profile.name) == ("7", "Priya")
    assert profile.channels == [Address(channel="whatsapp", address="+919876543210")]
    assert profile.metadata["vip"] is True


@pytest.mark.parametrize("total", ["118750.50", '"118750.50"'])
def test_a_mapping_reckons_with_amounts_as_the_erp_sent_them(total: str):
    raw = f'{{"total": {total}, "lines": [{{"left": 0.1}}, {{"left": 0.2}}, {{"left": 3}}]}}'
    answer = read(200, raw.encode(), name="find")
    assert isinstance(answer, Answered)
    told = {field: str(answer.result[field]) for field in ("amount", "open", "words", "high")}
    assert told == {"amount": "118750.50", "open": "3.3", "words": "118750.50", "high": "3"}


@pytest.mark.parametrize("lines", ['"none"', '[{"left": "x"}]', "[1, {}]", '[{"left": 1}, {"left": "x"}]'])
def test_an_answer_that_the_mapping_cannot_read_is_a_refusal_that_names_the_expression(lines: str):
    answer = read(200, f'{{"total": "?", "lines": {lines}}}'.encode(), name="find")
    assert isinstance(answer, Refused)
    assert "backend.mapping.find." in answer.reason
    assert "does not fit the answer" in answer.reason


def test_a_list_is_mapped_item_by_item():
    answer = read(200, b'[{"number": 1, "customer": "c_1"}, {"number": 2}, 3]', name="get_followups")
    assert isinstance(answer, Answered)
    taken, wrong = decide.discovered(answer.result)
    assert [(found.erp_id, found.contact_id) for found in taken] == [("1", "c_1")]
    assert wrong == ["[1]: a follow-up needs `id` and `contact_id`", "[2]: a follow-up needs `id` and `contact_id`"]


def test_what_is_missing_from_a_pending_follow_up_gets_its_default():
    [found], wrong = decide.discovered(
        [{"id": 5, "contact_id": 7, "priority": "URGENT", "channel_priority": ["Voice"]}]
    )
    assert wrong == []
    assert (found.erp_id, found.contact_id, found.reason) == ("5", "7", "follow-up")
    assert (found.priority, found.channel_priority) == ("urgent", ["voice"])
    [odd], _ = decide.discovered([{"id": 5, "contact_id": 7, "priority": "whenever", "business_context": []}])
    assert (odd.priority, odd.business_context) == ("normal", {})


@pytest.mark.parametrize("key", ["id", "contact_id", "entity_id"])
@pytest.mark.parametrize("odd", ["a\0b", "x" * 201])
def test_a_pending_follow_up_with_an_id_that_cannot_be_kept_is_named_and_the_next_one_taken(key: str, odd: str):
    fine = {"id": "F1", "contact_id": "c_123"}
    taken, wrong = decide.discovered([fine | {key: odd}, fine])
    assert [found.erp_id for found in taken] == ["F1"]
    assert len(wrong) == 1
    assert f"[0]: {key} " in wrong[0]


@pytest.mark.parametrize("answer", [None, {}, {"items": []}, "none"])
def test_pending_follow_ups_are_a_list(answer: Any):
    assert decide.discovered(answer) == ([], ["get_followups answers no list"])


@pytest.mark.parametrize("answer", [None, [], {}, {"id": "c_1"}, {"name": "Priya"}, {"id": "", "name": "Priya"}])
def test_a_contact_without_id_or_name_is_impossible(answer: Any):
    with pytest.raises(Impossible, match=r"backend\.mapping"):
        decide.profile_of(answer)


def test_what_a_registry_says_of_an_address_and_the_contacts_wishes_are_kept():
    channels = [
        {"channel": "sms", "address": "+919876512345", "do_not_disturb": True},
        {"channel": "email", "address": "p@acme.example", "do_not_disturb": "yes"},
    ]
    wishes = {"preferred_hours": {"from": "16:00", "to": "18:00"}, "timezone": "Asia/Kolkata"}
    _, profile = decide.profile_of({"id": "1", "name": "Priya", "channels": channels, **wishes})
    assert [entry.do_not_disturb for entry in profile.channels] == [True, False]
    assert profile.metadata == wishes


def test_a_contacts_consent_is_kept_with_its_evidence_when_its_time_has_a_zone():
    address = {"channel": "WhatsApp", "address": "+919876512345"}
    channels = [
        {**address, "consent": {"at": "2025-11-03T09:30:00Z", "evidence": "order form"}},
        {**address, "consent": {"at": "2025-11-03T09:30:00", "evidence": "no zone"}},
        {**address, "consent": {"at": "some day"}},
        {"channel": "whatsapp"},
        "nonsense",
    ]
    _, profile = decide.profile_of({"id": "1", "name": "Priya", "channels": channels})
    assert [entry.consent_at is not None for entry in profile.channels] == [True, False, False]
    assert profile.channels[0].consent_evidence == "order form"


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ("auth_type: none", {}),
        ('auth_type: bearer, auth_credentials: {token: "${T}"}', {"authorization": "Bearer s3cret"}),
        (
            'auth_type: basic, auth_credentials: {username: erp, password: "${T}"}',
            {"authorization": f"Basic {b64encode(b'erp:s3cret').decode()}"},
        ),
        ('auth_type: api_key, auth_credentials: {key: "${T}"}', {"X-API-Key": "s3cret"}),
        ('auth_type: api_key, auth_credentials: {header: X-Token, key: "${T}"}', {"X-Token": "s3cret"}),
    ],
)
def test_each_way_of_signing_in_makes_its_header(auth: str, headers: Mapping[str, str]):
    bundle = bundle_of(f"backend: {{type: rest, base_url: https://erp.example/api/, {auth}}}\n")
    assert door(bundle, Settings(environment={"T": "s3cret"})) == Door("https://erp.example/api", headers)


def test_a_secret_that_is_not_set_is_named():
    bundle = bundle_of(
        'backend: {type: rest, base_url: "https://erp.example", auth_type: bearer, auth_credentials: {token: "${T}"}}\n'
    )
    with pytest.raises(NoBackend, match=r"auth_credentials\.token is not set"):
        door(bundle, Settings(environment={}))


def test_without_a_base_url_the_sandbox_is_asked_without_any_secret():
    bundle = bundle_of('backend: {type: rest, auth_type: bearer, auth_credentials: {token: "${T}"}}\n')
    settings = Settings(environment={"T": "s3cret"}, sandbox_url="http://127.0.0.1:1/sandbox/erp/")
    assert door(bundle, settings) == Door("http://127.0.0.1:1/sandbox/erp", {})
    with pytest.raises(NoBackend, match="no sandbox"):
        door(bundle, Settings(environment={"T": "s3cret"}))


def test_secrets_are_in_no_representation():
    assert "s3cret" not in repr(Settings(environment={"T": "s3cret"}))
    assert "s3cret" not in repr(Door("https://erp.example", {"authorization": "Bearer s3cret"}))


def test_a_phone_finds_its_owner_on_every_phone_channel_and_the_chat_by_the_contacts_own_id():
    profile = Profile(
        name="Priya",
        channels=[
            Address(channel="voice", address="+919876512345"),
            Address(channel="sms", address="+919876512345"),
            Address(channel="email", address="priya@acme.example"),
        ],
    )
    assert decide.names_of("c_123", profile) == {
        ("voice", "+919876512345"): False,
        ("sms", "+919876512345"): False,
        ("whatsapp", "+919876512345"): True,
        ("email", "priya@acme.example"): False,
        ("chat", "c_123"): True,
    }


def test_a_chat_address_that_the_erp_registered_is_no_implied_one():
    profile = Profile(name="Priya", channels=[Address(channel="chat", address="c_123")])
    assert decide.names_of("c_123", profile) == {("chat", "c_123"): False}


def test_a_contact_who_moved_is_reached_at_the_new_address_first_with_the_consent_on_record():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    old = Address(channel="whatsapp", address="+919876512345", consent_at=at, consent_evidence="form")
    mail = Address(channel="email", address="priya@acme.example")
    moved = decide.moved(Profile(name="Priya", channels=[old, mail]), "whatsapp", "+919811111111")
    assert moved.channels == [
        Address(channel="whatsapp", address="+919811111111", consent_at=at, consent_evidence="form"),
        mail,
    ]


def test_a_contact_who_had_no_address_of_a_channel_has_one_now():
    assert decide.moved(Profile(name="Priya"), "whatsapp", "+919811111111").channels == [
        Address(channel="whatsapp", address="+919811111111")
    ]


@pytest.mark.parametrize(
    ("channel", "address", "normal"),
    [
        ("SMS", "098765 12345", "+919876512345"),
        ("email", "Priya Sharma <Priya@Acme.example>", "priya@acme.example"),
        ("chat", "C_123", "C_123"),
    ],
)
def test_a_profile_has_its_addresses_in_their_normal_form(channel: str, address: str, normal: str):
    entry = {"channel": channel, "address": address}
    _, profile = decide.profile_of({"id": "c", "name": "Priya", "channels": [entry]})
    assert [(each.channel, each.address) for each in profile.channels] == [(channel.lower(), normal)]


OTHERS = [{"id": "c_1", "name": "Ravi"}, {"id": "c_2", "name": "Meera", "channels": []}]
OWNER = {"id": "c_3", "name": "Sana", "channels": [{"channel": "voice", "address": "98000 00125"}]}


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        ([*OTHERS, OWNER], "c_3"),
        ([OWNER], "c_3"),
        (OTHERS[0], "c_1"),  # an ERP that answers without the addresses
        (OTHERS[:1], "c_1"),
        (OTHERS, None),  # an ERP that does not know how it was asked
        ([], None),
        (None, None),
        ([None, 7], None),
    ],
)
def test_a_stranger_is_whoever_has_the_address_or_the_only_one_who_is_named(answer: Any, who: str | None):
    asked = SenderUnknown(channel="whatsapp", digest="d", address="+919800000125")
    named = decide.first_named(answer, asked)
    assert (named[0] if named else None) == who
