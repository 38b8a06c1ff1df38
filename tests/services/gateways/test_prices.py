"""What a provider says of the price replaces what was reckoned, and is told once."""

from typing import Any

import pytest

from events.inbound import StatusReceived
from events.message import Priced
from events.values import Cost
from libs.testkit.nouns import NOON
from services.gateways import decide
from services.gateways.decide import Message
from tests.services.gateways.asked import ID
from tests.services.gateways.conftest import Gateways, bundle_of

PRICES = """prices:
  - {provider: meta, unit: message, category: utility, currency: INR, amount: 0.1150, effective: 2026-01-01}
  - {provider: meta, unit: message, category: marketing, currency: INR, amount: 0.8631, effective: 2026-01-01}
  - {provider: meta, unit: message, category: service, currency: INR, amount: 0, effective: 2026-01-01}
"""
BUNDLE = bundle_of(prices=PRICES)
UTILITY, MARKETING, FREE = (Cost(currency="INR", micros=micros) for micros in (115_000, 863_100, 0))


def message(**changes: Any) -> Message:
    reckoned = {"template": "payment_reminder", "priced": decide.price_mark(UTILITY), "state": "accepted"}
    return Message(id=ID, conversation="1", **({"channel": "whatsapp"} | reckoned | changes))


def status(name: str = "sent", **price: Any) -> StatusReceived:
    return StatusReceived(channel="whatsapp", provider_ref="wamid.1", status=name, at=NOON, **price)


def told(known: Message, *statuses: StatusReceived) -> list[tuple[Cost, str | None]]:
    _, drafts = decide.priced(BUNDLE, known, statuses, NOON)
    facts = [draft.event for draft in drafts]
    assert all(isinstance(fact, Priced) for fact in facts)
    return [(fact.cost, fact.category) for fact in facts if isinstance(fact, Priced)]


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ({"billable": True, "category": "utility"}, []),
        ({"billable": True, "category": "marketing"}, [(MARKETING, "marketing")]),
        ({"billable": False, "category": "utility"}, [(FREE, "utility")]),
        ({"billable": True, "category": "referral_conversion"}, []),
        ({}, []),
        ({"billable": True, "category": "sms", "cost": MARKETING}, [(MARKETING, "sms")]),
    ],
)
def test_only_another_price_than_the_reckoned_one_is_told(price: dict[str, Any], expected: list[Any]):
    assert told(message(), status(**price)) == expected


def test_a_price_that_comes_with_every_status_is_told_once():
    known = message()
    first = status("sent", billable=True, category="marketing")
    mark, _ = decide.priced(BUNDLE, known, [first], NOON)
    assert told(message(priced=mark), status("delivered", billable=True, category="marketing")) == []
    assert told(known, first, status("delivered", billable=True, category="marketing")) == [(MARKETING, "marketing")]


def test_what_failed_costs_nothing_unless_it_had_been_delivered():
    assert told(message(), status("failed")) == [(FREE, None)]
    assert told(message(state="delivered"), status("failed")) == []
    assert told(message(channel="sms"), status("failed")) == []
    assert told(message(priced=decide.price_mark(FREE)), status("failed")) == []


async def test_a_template_inside_the_window_turns_out_to_be_free(gateways: Gateways):
    await gateways.priya_says("hello")
    intent = await gateways.say()
    await gateways.until(intent, "read", "priced")
    facts = [fact.event for fact in await gateways.told(intent)]
    [priced] = [fact for fact in facts if isinstance(fact, Priced)]
    assert (priced.cost, priced.category) == (FREE, "utility")


async def test_a_price_that_comes_before_the_answer_waits_with_its_status(gateways: Gateways):
    await gateways.priya_says("hello")
    await gateways.goes_wrong(before_answer=True)
    intent = await gateways.say()
    told_of_it = await gateways.until(intent, "read", "priced")
    assert told_of_it.count("priced") == 1
