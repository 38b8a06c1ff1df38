import base64
from datetime import UTC, timedelta

import msgspec
import pytest

from libs.channels import exotel, exotel_media
from libs.channels.call_status import Status
from libs.channels.exotel import Request
from libs.channels.outcome import Accepted, Refused, Retry, Unknown
from libs.channels.sms_items import Malformed
from libs.testkit.nouns import NOON, PRIYA_PHONE

CALL = "3f0c6f0e-8f5f-5c0e-9d2b-0f1a2b3c4d5e"
SID = "c5797dcbaaeed7678c4062a4a3ed2f8a"


def dialled(stream_url: str = "wss://voice.example.com/media") -> Request | Refused:
    return exotel.write(
        account_sid="acme1",
        call=CALL,
        to=PRIYA_PHONE,
        caller_id="08047491899",
        stream_url=stream_url,
        callback="https://hooks.example.com/status/s",
    )


def test_the_contact_is_rung_and_talks_straight_to_our_stream():
    request = dialled()
    assert isinstance(request, Request)
    assert request.path == "/v1/Accounts/acme1/Calls/connect.json"
    assert request.form["From"] == PRIYA_PHONE
    assert "To" not in request.form, "a second number would be a second billed leg"
    assert request.form["StreamUrl"] == f"wss://voice.example.com/media?call={CALL}"
    assert request.form["CustomField"] == CALL


def test_a_stream_url_that_exotel_would_cut_is_refused_before_anybody_is_rung():
    assert isinstance(dialled(stream_url="wss://voice.example.com/" + "x" * 600), Refused)


@pytest.mark.parametrize(
    ("answer", "body", "expected"),
    [
        (200, msgspec.json.encode({"Call": {"Sid": SID, "Status": "in-progress"}}), Accepted),
        (200, b"<TwilioResponse/>", Unknown),
        (429, b"", Retry),
        (503, b"", Unknown),
        ("no_answer", b"", Unknown),
        ("not_connected", b"", Retry),
        (400, b"", Refused),
    ],
)
def test_only_what_rang_nobody_is_repeated(answer, body, expected):
    assert isinstance(exotel.classify(answer, body), expected)


def test_a_wrong_key_touches_the_whole_account():
    body = msgspec.json.encode({"RestException": {"Status": 401, "Message": "Authentication failed", "Code": 34010}})
    assert exotel.classify(401, body) == Refused(34010, "Authentication failed", "account")


def test_a_callback_in_its_short_form_says_how_it_ended_and_not_whose_it_was():
    short = {"CallSid": SID, "Status": "no-answer", "RecordingUrl": "", "DateUpdated": "2026-02-16 12:00:00"}
    assert exotel.read_callback(short, NOON) == Status(ref=SID, state="no_answer", at=NOON.astimezone(UTC))


def test_a_whole_callback_says_whose_it_was_how_long_and_whether_a_machine_answered():
    legs = [{"OnCallDuration": 12, "Status": "completed", "AnsweredBy": "Machine"}]
    whole = {"CallSid": SID, "EventType": "terminal", "Status": "completed", "CustomField": CALL, "Legs": legs}
    told = exotel.read_callback({**whole, "ConversationDuration": 12}, NOON)
    assert told == Status(ref=SID, state="completed", at=NOON, call=CALL, seconds=12, machine=True)
    form = {"CallSid": SID, "EventType": "terminal", "Status": "completed", "Legs[0][AnsweredBy]": "MACHINE"}
    assert exotel.read_callback(form, NOON) == Status(ref=SID, state="completed", at=NOON, machine=True)


def test_in_progress_is_no_answer_yet():
    assert exotel.read_details(msgspec.json.encode({"Call": {"Sid": SID, "Status": "in-progress"}}), NOON) is None
    told = {"Sid": SID, "Status": "busy", "EndTime": "1970-01-01 05:30:00"}
    assert exotel.read_details(msgspec.json.encode({"Call": told}), NOON) == Status(ref=SID, state="busy", at=NOON)


def test_a_callback_that_names_no_call_is_malformed():
    with pytest.raises(Malformed):
        exotel.read_callback({"Status": "completed"}, NOON)


def listed(*sids: str, number: str = "09876512345") -> bytes:
    calls = [{"Sid": sid, "From": number, "DateCreated": "2026-02-16 12:00:00"} for sid in sids]
    return msgspec.json.encode({"Calls": calls})


def test_a_lost_call_is_the_only_stranger_in_the_list():
    since = NOON - timedelta(seconds=2)
    assert exotel.found_in(listed("known", "ours"), PRIYA_PHONE, since, ["known"]) == "ours"
    assert exotel.found_in(listed("one", "two"), PRIYA_PHONE, since, []) is None
    assert exotel.found_in(listed("ours", number="09000000001"), PRIYA_PHONE, since, []) is None
    assert exotel.found_in(listed("ours"), PRIYA_PHONE, NOON + timedelta(minutes=1), []) is None


@pytest.mark.parametrize("camel", [False, True])
def test_a_stream_starts_whatever_its_ids_are_called(camel):
    ids = {"streamSid": "MZ1", "callSid": SID} if camel else {"stream_sid": "MZ1", "call_sid": SID}
    rate = 8000 if camel else "8000"
    start = ids | {"custom_parameters": {"call": CALL}, "media_format": {"sample_rate": rate}}
    frame = msgspec.json.encode({"event": "start", "sequence_number": 1, "start": start})
    assert exotel_media.read(frame) == exotel_media.Started(stream="MZ1", ref=SID, call=CALL, rate=8000)


def test_what_nobody_documented_is_nothing():
    for frame in ('{"event": "connected"}', "not json", '{"event": "media", "media": {"payload": "?"}}', "[]"):
        assert exotel_media.read(frame) is None


def test_the_end_of_a_stream_says_who_ended_it():
    assert exotel_media.read('{"event": "stop", "stop": {"reason": "callended"}}') == exotel_media.Stopped(True)
    assert exotel_media.read('{"event": "stop", "stop": {"reason": "stopped"}}') == exotel_media.Stopped(False)


def test_sound_goes_in_chunks_that_exotel_plays_without_gaps():
    chunks = exotel_media.Chunks()
    sent = [each for _ in range(7) for each in chunks.add(b"\1" * 999)]
    last = chunks.rest()
    assert last is not None
    assert {len(each) for each in [*sent, last]} == {3200}
    assert b"".join([*sent, last]).rstrip(b"\0") == b"\1" * 6993
    assert chunks.rest() is None


def test_what_we_say_names_the_stream():
    told = msgspec.json.decode(exotel_media.media("MZ1", b"\0\1"))
    assert (told["stream_sid"], base64.b64decode(told["media"]["payload"])) == ("MZ1", b"\0\1")
