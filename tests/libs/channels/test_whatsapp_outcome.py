"""What Meta's answers mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.channels.outcome import Accepted, Refused, Retry, Scope, State, Unknown, advance
from libs.channels.whatsapp import WINDOW_CLOSED, classify, meaning

RETRIED = [1, 2, 4, 80007, 130429, 131016, 131056, 131057, 133004]
TEMPLATES = [132000, 132001, 132005, 132007, 132012, 132015, 132016]
REFUSED: dict[Scope, list[int]] = {
    "account": [0, 3, 10, 190, 200, 230, 299, 368, 131031, 131042, 131044, 131048, 133010],
    "contact": [130497, 131021, 131026, 131030, 131049, 131050, 131062, 137000],
    "message": [100, 131008, 131009, 131047, 131051, 131052, 131053, 131063, *TEMPLATES],
}


def failure(code: Any, **more: Any) -> bytes:
    """Meta's answer to a call that it refuses."""
    error = {"message": f"(#{code}) no", "type": "OAuthException", "code": code, "fbtrace_id": "Az8"}
    return json.dumps(
        {"error": {**error, "error_data": {"messaging_product": "whatsapp", "details": "no"}, **more}}
    ).encode()


def success(**message: Any) -> bytes:
    """Meta's answer to a call that it accepts."""
    return json.dumps(
        {
            "messaging_product": "whatsapp",
            "contacts": [{"input": "919876543210", "wa_id": "919876543210", "user_id": "IN.1349"}],
            "messages": [{"id": "wamid.1", **message}],
        }
    ).encode()


def test_a_success_names_the_message():
    assert classify(200, success()) == Accepted("wamid.1", "919876543210", None)


def test_a_template_may_be_held_back_after_its_acceptance():
    answer = success(message_status="held_for_quality_assessment")
    assert classify(200, answer) == Accepted("wamid.1", "919876543210", "held_for_quality_assessment")


def test_a_person_without_a_phone_is_named_by_the_user_id():
    answer = json.dumps({"contacts": [{"user_id": "IN.1349"}], "messages": [{"id": "wamid.1"}]}).encode()
    assert classify(200, answer) == Accepted("wamid.1", "IN.1349", None)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"messages": []}', b'{"messages": [{"id": null}]}', b"[" * 9999]
)
def test_a_success_that_names_no_message_is_unknown(body: bytes):
    assert isinstance(classify(200, body), Unknown)


@pytest.mark.parametrize("code", RETRIED)
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_what_may_succeed_later_is_retried_whatever_the_http_status(code: int, status: int):
    assert isinstance(classify(status, failure(code)), Retry)


@pytest.mark.parametrize(("scope", "code"), [(scope, code) for scope, codes in REFUSED.items() for code in codes])
def test_what_would_fail_again_is_refused_with_its_scope(scope: Scope, code: int):
    refused = classify(400, failure(code))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.scope) == (code, scope)


def test_the_table_of_the_reference_is_covered():
    known = {*RETRIED, *(code for codes in REFUSED.values() for code in codes), 131000}
    assert all(meaning(code) is not None for code in known - {131000})
    assert meaning(424242) is None


def test_131000_leaves_the_outcome_open():
    assert isinstance(classify(500, failure(131000)), Unknown)


def test_the_pair_rate_waits_longer_each_time():
    waits = [classify(400, failure(131056), attempt=attempt) for attempt in range(5)]
    assert [wait.after_seconds for wait in waits if isinstance(wait, Retry)] == [6.0, 6.0, 16.0, 64.0, 256.0]


def test_a_wait_that_meta_asks_for_is_kept():
    assert classify(429, failure(130429), retry_after=30) == Retry("130429 the number's throughput is used up", 30)
    assert classify(429, b"slow down", retry_after=12) == Retry("429 without an error code", 12)


def test_a_code_written_as_text_is_a_code():
    assert isinstance(classify(401, failure("190")), Refused)


def test_a_closed_window_is_told_by_its_code():
    refused = classify(400, failure(131047))
    assert isinstance(refused, Refused)
    assert refused.code == WINDOW_CLOSED


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, b"", Unknown),
        (502, b"<html>", Unknown),
        (504, b"{}", Unknown),
        (500, failure(424242), Unknown),
        (400, failure(424242, is_transient=True), Retry),
        (400, failure(424242), Refused),
        (301, b"", Refused),
        (401, b"", Refused),
        (404, b"not found", Refused),
        (418, b"", Refused),
        (400, failure("many"), Refused),
    ],
)
def test_answers_that_the_table_does_not_have(status: int, body: bytes, kind: type):
    assert isinstance(classify(status, body), kind)


def test_a_call_that_never_left_is_retried_and_one_without_answer_is_unknown():
    assert isinstance(classify("not_connected"), Retry)
    assert isinstance(classify("no_answer"), Unknown)


@given(st.integers(100, 599), st.binary())
def test_any_answer_has_a_meaning(status: int, body: bytes):
    assert isinstance(classify(status, body), Accepted | Retry | Refused | Unknown)


states = st.sampled_from(["accepted", "sent", "failed", "delivered", "read", "played"])


@pytest.mark.parametrize(
    ("heard", "state"),
    [
        (["sent", "delivered", "read"], "read"),
        (["read", "delivered", "sent", "accepted"], "read"),
        (["sent", "failed"], "failed"),
        (["failed", "sent", "accepted"], "failed"),
        (["delivered", "failed"], "delivered"),
        (["read", "played"], "played"),
    ],
)
def test_how_far_a_message_got(heard: list[State], state: State):
    known: State | None = None
    for one in heard:
        known = advance(known, one)
    assert known == state


@given(st.lists(states, min_size=1), st.randoms())
def test_the_order_and_number_of_statuses_make_no_difference(heard: list[State], chance: Any):
    def reached(order: list[State]) -> State | None:
        known: State | None = None
        for one in order:
            known = advance(known, one)
        return known

    shuffled = heard + heard
    chance.shuffle(shuffled)
    assert reached(heard) == reached(shuffled)
