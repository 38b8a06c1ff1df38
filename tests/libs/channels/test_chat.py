"""Frames of the chat: what can be meant is read, everything else is refused by its code, and nothing else ever happens."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.channels import chat, chat_token

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FRAME = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "typing", "ack", "read", "ping", "pong", "draft", "status", ""])},
    optional={"content": JSON, "id": JSON, "position": JSON, "on": JSON, "choice": JSON, "reply_to": JSON},
)
SECRET = "a-secret-of-at-least-thirty-two-bytes"
NOON = datetime(2026, 2, 16, 6, 30, tzinfo=UTC)


@given(st.text() | st.binary() | JSON.map(json.dumps) | FRAME.map(json.dumps))
def test_anything_is_read_or_refused(raw: str | bytes):
    frame = read_or_refused(raw)
    if isinstance(frame, chat.Malformed):
        assert frame.code in ("malformed", "too_large")
        assert str(frame)
    elif isinstance(frame, chat.Said):
        assert 0 < len(frame.content.strip()) <= chat.MAX_CONTENT
        assert "\x00" not in frame.content


def read_or_refused(raw: str | bytes) -> chat.Incoming | chat.Malformed:
    try:
        return chat.read(raw)
    except chat.Malformed as malformed:
        return malformed


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=chat.MAX_CONTENT))
def test_words_are_read_unharmed_in_every_spelling_of_json(words: str):
    for ascii in (True, False):
        raw = json.dumps({"type": "message", "content": words}, ensure_ascii=ascii)
        if len(raw) > chat.MAX_FRAME or not words.strip():
            with pytest.raises(chat.Malformed):
                chat.read(raw)
        else:
            assert chat.read(raw) == chat.Said(content=words)


def test_the_shortest_message_of_the_interface_is_enough():
    assert chat.read('{"type": "message", "content": "hello"}') == chat.Said(content="hello")


@pytest.mark.parametrize("choice", ["upi", "Bank transfer", "अगला हफ़्ता", "Rs 5,000 (half)", "x" * 256])
def test_a_button_gives_back_the_words_that_the_configuration_has_for_it(choice: str):
    assert chat.read(json.dumps({"type": "message", "content": "Yes", "choice": choice})) == chat.Said(
        content="Yes", choice=choice
    )


def test_a_refused_message_is_named_by_its_id():
    with pytest.raises(chat.Malformed) as refused:
        chat.read('{"type": "message", "id": "m-1", "content": " "}')
    assert refused.value.id == "m-1"


def test_signals_are_told_apart_from_what_is_none():
    for frame in (
        chat.Typing(who="operator", on=False),
        chat.Drafted(id="t", content="Dhany"),
        chat.Retracted(id="t"),
        chat.Presence(who="operator", there=True),
    ):
        assert chat.passing(chat.write(frame)) == frame
    for raw in (b"", b"{}", b"nonsense", b"\xff", chat.write(chat.Pong()), b'{"type": "message", "content": "x"}'):
        assert chat.passing(raw) is None


def test_any_contact_id_has_a_room_that_fits_into_subjects_and_channels():
    for contact in ("c_123", "Priya Sharma <*.>", "प्रिया", "x" * 200):
        subject = chat.to_contact("default", contact)
        assert subject == f"sig.chat.out.default.{chat.room(contact)}"
        assert set(chat.room(contact)) <= set("0123456789abcdef")
        assert chat.from_contact("default", contact) != subject
    assert chat.room("c_1") != chat.room("C_1")


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "c_123", "exp": (NOON + timedelta(hours=1)).timestamp(), **claims}, SECRET)


def verify(text: str, now: datetime = NOON, tenant: str = "default") -> chat_token.Entry:
    return chat_token.verify(text, SECRET, contact="c_123", tenant=tenant, now=now)


def test_a_token_opens_the_chat_of_its_contact_until_it_ends():
    end = NOON + timedelta(hours=1)
    minted = chat_token.mint("c_123", SECRET, expires_at=end)
    assert verify(minted) == chat_token.Entry("c_123", end)
    assert verify(token()) == chat_token.Entry("c_123", end)
    assert verify(minted, end + timedelta(seconds=9)).contact == "c_123"
    with pytest.raises(chat_token.BadToken, match="expired"):
        verify(minted, end + timedelta(seconds=10))
    with pytest.raises(chat_token.BadToken, match="somebody else"):
        verify(minted, tenant="other")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "c_124"},
        {"sub": 123},
        {"sub": None},
        {"exp": None},
        {"exp": True},
        {"exp": "soon"},
        {"exp": 1e300},
        {"exp": -1},
        {"tenant": "other"},
        {"tenant": 7},
    ],
)
def test_a_token_with_another_claim_opens_nothing(claims: dict[str, Any]):
    with pytest.raises(chat_token.BadToken):
        verify(token(**claims))


@given(st.text())
def test_any_text_that_was_not_signed_opens_nothing(text: str):
    with pytest.raises(chat_token.BadToken):
        verify(text)
    with pytest.raises(chat_token.BadToken):
        verify(jwt.encode({"sub": "c_123", "exp": 4102444800}, key="", algorithm="none"))
