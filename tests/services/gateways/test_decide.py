"""What a message becomes for Meta, what it costs, when it is too late, and how far it has got."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.inbound import StatusReceived
from events.message import Failed
from events.values import Body, Cost, PolicyDecision
from libs.testkit.nouns import EVENING, NOON
from services.gateways import decide
from services.gateways.decide import Message
from services.gateways.settings import ChannelOff, Settings
from services.gateways.whatsapp.door import WhatsAppDoor, door_of, sandbox_door
from tests.services.gateways.asked import ID, asked
from tests.services.gateways.conftest import bundle_of

DOOR = sandbox_door("http://sandbox.test")
LIVE = {"PHONE": "1065", "TOKEN": "t0ken", "VERIFY": "v", "SECRET": "s"}
LIVE_SETTINGS = """channels:
  whatsapp:
    enabled: true
    provider: meta
    credentials: {phone_id: "${PHONE}", access_token: "${TOKEN}", verify_token: "${VERIFY}", app_secret: "${SECRET}"}
    test_recipients: ["+91987651*"]
"""


def test_a_template_costs_what_its_category_does_and_free_text_what_service_does():
    bundle = bundle_of()
    assert decide.cost(bundle, decide.message_of(asked()), NOON) == Cost(currency="INR", micros=115_000)
    free = decide.message_of(asked(body=Body(text="hello")))
    assert decide.cost(bundle, free, NOON) == Cost(currency="INR", micros=0)
    assert decide.cost(bundle, free, datetime(2025, 1, 1, tzinfo=UTC)) is None


def test_what_we_begin_goes_out_within_the_hours_to_the_second_however_young_its_decision_is():
    bundle = bundle_of()
    night = EVENING + timedelta(hours=3)
    assert decide.veto(asked(), DOOR, bundle, NOON + timedelta(hours=5)) is None
    assert decide.veto(asked(), DOOR, bundle, night) == "the hours in which it was allowed are over"
    closes = EVENING.replace(hour=21)
    shortly = closes - timedelta(seconds=1)
    just_now = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=shortly)
    assert decide.veto(asked(allowed_by=just_now), DOOR, bundle, shortly) is None
    assert decide.veto(asked(allowed_by=just_now), DOOR, bundle, closes) == "the hours in which it was allowed are over"
    assert decide.veto(asked(purpose="answer"), DOOR, bundle, night) is None


def test_a_clock_that_is_behind_does_not_withhold_what_was_allowed_as_the_hours_began():
    opens = NOON.replace(hour=8)
    at_eight = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="general", at=opens)
    assert decide.veto(asked(allowed_by=at_eight), DOOR, bundle_of(), opens - timedelta(milliseconds=5)) is None


def test_a_decision_holds_as_long_as_it_says_and_no_longer():
    wish = PolicyDecision(  # the contact's own hours end at three, which the policy does not know
        verdict="allowed", channel="whatsapp", purpose="general", at=NOON, holds_until=NOON + timedelta(hours=3)
    )
    assert decide.veto(asked(allowed_by=wish), DOOR, bundle_of(), NOON + timedelta(hours=2, minutes=59)) is None
    for purpose in ("approach", "answer"):
        late = asked(allowed_by=wish, purpose=purpose)
        assert decide.veto(late, DOOR, bundle_of(), NOON + timedelta(hours=3)) is not None
    said = asked(allowed_by=wish, purpose="operator")
    assert decide.veto(said, DOOR, bundle_of(), NOON + timedelta(hours=3)) is None


def test_a_live_channel_in_development_writes_to_test_recipients_only():
    bundle = bundle_of(settings=LIVE_SETTINGS)
    door = door_of(Settings(environment=LIVE, profile="development"), bundle)
    assert (door.mode, door.base_url, door.phone_id) == ("live", "https://graph.facebook.com", "1065")
    assert door.may_write_to("+919876512345")
    assert not door.may_write_to("+919999999999")
    assert decide.veto(asked(to="+919999999999"), door, bundle, NOON)
    production = door_of(Settings(environment=LIVE, profile="production"), bundle)
    assert production.may_write_to("+919999999999")


def test_without_credentials_it_is_the_sandbox_or_off():
    bundle = bundle_of(settings=LIVE_SETTINGS)
    door = door_of(Settings(sandbox_urls={"whatsapp": "http://sandbox.test"}), bundle)
    assert (door.mode, door.base_url, door.test_recipients) == ("sandbox", "http://sandbox.test", None)
    with pytest.raises(ChannelOff):
        door_of(Settings(), bundle)


def test_a_door_does_not_show_its_secrets():
    door = WhatsAppDoor("live", "https://graph.facebook.com", "1065", "t0ken", "v3rify", "s3cret")
    assert not any(secret in repr(door) for secret in ("t0ken", "v3rify", "s3cret"))


def status(name: str) -> StatusReceived:
    return StatusReceived(channel="whatsapp", provider_ref="wamid.1", status=name, at=NOON)


def follow(names: list[str], *, at_once: bool = False) -> tuple[str, list[str]]:
    """The state after statuses one by one (or joined all at once), and the facts that were told."""
    message = Message(id=ID, conversation="1", channel="whatsapp", state="accepted")
    told: list[str] = []
    for part in [names] if at_once else [[name] for name in names]:
        state, drafts = decide.progress(message, [status(name) for name in part])
        message = Message(id=ID, conversation="1", channel="whatsapp", state=state)
        told += [type(draft.event).__name__ for draft in drafts]
    return message.state, told


@given(st.lists(st.sampled_from(["sent", "delivered", "read", "played", "failed"]), max_size=8))
def test_no_fact_is_told_twice_and_none_goes_back(names: list[str]):
    state, told = follow(names)
    assert len(told) == len(set(told))
    order = ["Failed", "Delivered", "Read"]
    assert [order.index(name) for name in told] == sorted(order.index(name) for name in told)
    assert follow(names + names) == (state, told)


def test_the_state_does_not_depend_on_the_order_of_arrival():
    for names in permutations(["sent", "delivered", "read"]):
        assert follow(list(names))[0] == "read"
    assert follow(["read", "sent", "delivered"], at_once=True) == ("read", ["Delivered", "Read"])
    assert follow(["sent", "failed"]) == ("failed", ["Failed"])
    assert follow(["delivered", "failed"]) == ("delivered", ["Delivered"])
    assert follow(["played"]) == ("played", ["Read"])


@pytest.mark.parametrize(
    ("channel", "code", "touches"),
    [
        ("whatsapp", "131026", "contact"),
        ("whatsapp", "131047", "message"),
        ("whatsapp", "131031", "account"),
        ("whatsapp", "999999", "message"),
        ("whatsapp", None, "message"),
        ("sms", "30006", "contact"),
        ("sms", "23080", "message"),
        ("sms", "23281", "message"),
        ("sms", "23050", "message"),
        ("sms", "23020", "contact"),
        ("sms", "23010", "contact"),
        ("sms", "failed-dnd", "contact"),
        ("sms", "TEXT_CARRIER_BLOCKED", "message"),
        ("sms", "TEXT_TTL_EXPIRED", "message"),
        ("sms", "TEXT_INVALID", "contact"),
        ("sms", None, "contact"),
        ("email", "550", "contact"),
    ],
)
def test_a_failure_that_comes_later_says_what_else_it_touches(channel: str, code: str | None, touches: str):
    message = Message(id=ID, conversation="1", channel=channel, state="accepted")
    failed = StatusReceived(channel=channel, provider_ref="r", status="failed", at=NOON, code=code)
    _, [draft] = decide.progress(message, [failed])
    assert isinstance(draft.event, Failed)
    assert draft.event.scope == touches
