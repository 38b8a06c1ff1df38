"""A registered text goes out once by whatever provider, and what becomes of it is told once."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from events.inbound import StatusReceived, Unsubscribed
from events.message import Accepted, Failed, OutcomeUnknown, Rejected
from events.values import Body, Cost
from libs.testkit.nouns import PRIYA_PHONE, TENANT
from tests.services.gateways.conftest import HASTY, Gateways
from tests.services.gateways.sms_world import REGISTERED, REMINDER, TEMPLATES, TEXT, SmsGateways, bundle_of

TELLING = ["exotel", "pinpoint"]
"""The providers that tell what became of a message."""
ALL = [*TELLING, "sns"]
PRICE = {"exotel": Cost(currency="INR", micros=200_000), "pinpoint": Cost(currency="USD", micros=2_780)}
PRICE["sns"] = PRICE["pinpoint"]


@pytest.fixture
async def sms(gateways: Gateways, provider: str) -> SmsGateways:
    return await SmsGateways.of(gateways, provider)


def named(**variables: str) -> Body:
    """The reminder with other values, as the orchestrator would render it."""
    values = REMINDER.variables | variables
    text = f"Dear {values['contact_name']}, invoice {values['invoice_number']} of {values['amount']} is due. Acme"
    return msgspec.structs.replace(REMINDER, text=text, variables=values)


@pytest.mark.parametrize("provider", TELLING)
async def test_a_registered_text_goes_out_and_its_way_is_told(sms: SmsGateways):
    await sms.control("PUT", "/templates", [REGISTERED])
    intent = await sms.say()
    assert await sms.gateways.until(intent, "delivered") == ["accepted", "delivered"]
    [message] = await sms.sent()
    assert (message["to"], message["text"], message["reference"]) == (PRIYA_PHONE, TEXT, str(intent.id))
    assert (message["entity_id"], message["template_id"]) == (REGISTERED["entity_id"], REGISTERED["template_id"])
    accepted = (await sms.gateways.told(intent))[0].event
    assert accepted == Accepted(conversation="1", channel="sms", provider_ref=message["id"], cost=PRICE[sms.provider])


@pytest.mark.parametrize("provider", ["sns"])
async def test_sns_takes_it_and_tells_no_more(sms: SmsGateways):
    intent = await sms.say()
    assert await sms.gateways.until(intent, "accepted") == ["accepted"]
    [message] = await sms.sent()
    assert (message["text"], message["reference"], message["sender"]) == (TEXT, None, "ACMECO")


@pytest.mark.parametrize("provider", ALL)
async def test_every_segment_is_paid_for(sms: SmsGateways):
    hindi = named(contact_name="प्रिया शर्मा जी", invoice_number="चालान नंबर INV-2026-0042")
    intent = await sms.say(hindi)
    await sms.gateways.until(intent, "accepted")
    [message] = await sms.sent()
    assert (message["encoding"], message["segments"]) == ("ucs2", 2)
    accepted = (await sms.gateways.told(intent))[0].event
    assert isinstance(accepted, Accepted)
    price = PRICE[sms.provider]
    assert accepted.cost == Cost(currency=price.currency, micros=2 * price.micros)


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize(
    ("body", "code"),
    [(Body(text="Pay at once, please"), "free_text"), (msgspec.structs.replace(REMINDER, text=TEXT + "!"), "not_as_registered"),
     (named(contact_name="P" * 31), "variable"), (named(invoice_number="https://evil.example/pay"), "variable")],
)  # fmt: skip
async def test_what_dlt_does_not_know_is_refused_before_any_call(sms: SmsGateways, body: Body, code: str):
    before = await sms.requests()
    intent = await sms.say(body)
    assert await sms.gateways.until(intent, "rejected") == ["rejected"]
    rejected = (await sms.gateways.told(intent))[0].event
    assert isinstance(rejected, Rejected)
    assert rejected.code == code
    assert await sms.requests() == before


@pytest.mark.parametrize("provider", ["pinpoint"])
async def test_free_words_go_out_where_they_are_allowed(sms: SmsGateways):
    intent = await sms.say(Body(text="On which date will you pay?"), to="+447700900123")
    await sms.gateways.until(intent, "delivered")
    [message] = await sms.sent()
    assert (message["text"], message["entity_id"]) == ("On which date will you pay?", None)


@pytest.mark.parametrize("provider", ["exotel"])
async def test_a_template_that_was_registered_anew_meanwhile_is_refused(sms: SmsGateways):
    await sms.gateways.publish(bundle_of("exotel", templates=TEMPLATES.replace("is due. Acme", "is overdue. Acme")))
    intent = await sms.say()
    await sms.gateways.until(intent, "rejected")
    rejected = (await sms.gateways.told(intent))[0].event
    assert isinstance(rejected, Rejected)
    assert rejected.code == "not_as_registered"


@pytest.mark.parametrize(("provider", "refuse"), [("exotel", "429:40402"), ("sns", "Throttling"), ("pinpoint", "ThrottlingException"),
                                                  ("sns", "InternalError"), ("pinpoint", "InternalServerException")])  # fmt: skip
async def test_throttling_is_waited_for_and_nobody_else_tries_again(sms: SmsGateways, refuse: str):
    await sms.goes_wrong(refuse=refuse)
    before = await sms.requests()
    intent = await sms.say()
    await sms.gateways.until(intent, "accepted")
    assert len(await sms.sent()) == 1
    assert (await sms.gateways.effect(intent))["attempt"] == 2
    assert await sms.requests() - before == 2  # boto3 would have made three of each


@pytest.mark.parametrize("provider", TELLING)
@pytest.mark.parametrize("patience", [HASTY])
@pytest.mark.parametrize("answer", ["hung", "dropped", "garbled"])
async def test_an_answer_that_is_lost_is_unknown_until_our_id_comes_back(sms: SmsGateways, answer: str):
    await sms.goes_wrong(answer=answer)
    intent = await sms.say()
    told = await sms.gateways.until(intent, "delivered")
    assert told == ["outcome_unknown", "accepted", "delivered"]
    [message] = await sms.sent()
    accepted = (await sms.gateways.told(intent))[1].event
    assert isinstance(accepted, Accepted)
    assert (accepted.provider_ref, accepted.cost) == (message["id"], PRICE[sms.provider])
    assert (await sms.gateways.effect(intent))["outcome"] == "resolved"


@pytest.mark.parametrize("provider", ["sns"])
@pytest.mark.parametrize("patience", [HASTY])
@pytest.mark.parametrize("answer", ["hung", "dropped", "garbled"])
async def test_an_answer_of_sns_that_is_lost_stays_unknown_and_is_not_sent_again(sms: SmsGateways, answer: str):
    await sms.goes_wrong(answer=answer)
    before = await sms.requests()
    intent = await sms.say()
    assert await sms.gateways.until(intent, "outcome_unknown") == ["outcome_unknown"]
    next_one = await sms.say()
    await sms.gateways.until(next_one, "accepted")
    assert isinstance((await sms.gateways.told(intent))[-1].event, OutcomeUnknown)
    assert await sms.requests() - before == 2
    effect = await sms.gateways.effect(intent)
    assert effect["waits_until"] - effect["lease_until"] > timedelta(minutes=59)


@pytest.mark.parametrize("provider", TELLING)
async def test_statuses_before_the_answer_doubled_and_backwards_are_told_once(sms: SmsGateways):
    await sms.goes_wrong(before_answer=True, copies=3, order="backwards")
    intent = await sms.say()
    await sms.gateways.until(intent, "delivered")
    statuses = await sms.gateways.inbound("status_received", 2)
    assert sorted(fact.event.status for fact in statuses) == ["delivered", "sent"]
    assert await sms.gateways.until(intent, "delivered") == ["accepted", "delivered"]


@pytest.mark.parametrize(
    ("provider", "ends"), [("exotel", "20006"), ("pinpoint", "TEXT_SUCCESSFUL"), ("pinpoint", "TEXT_UNKNOWN")]
)
async def test_a_way_that_ends_at_the_operator_is_no_delivery(sms: SmsGateways, ends: str):
    await sms.goes_wrong(ends=ends)
    intent = await sms.say()
    await sms.webhook("20006" if sms.provider == "exotel" else ends)
    assert await sms.gateways.until(intent, "accepted") == ["accepted"]


@pytest.mark.parametrize(("provider", "ends"), [("exotel", "23035"), ("pinpoint", "TEXT_UNREACHABLE")])
async def test_a_failure_after_acceptance_is_told(sms: SmsGateways, ends: str):
    await sms.goes_wrong(ends=ends)
    intent = await sms.say()
    assert await sms.gateways.until(intent, "failed") == ["accepted", "failed"]
    failed = (await sms.gateways.told(intent))[1].event
    assert isinstance(failed, Failed)
    assert failed.code == ends


async def counted(gateways: Gateways, marked: str) -> float:
    """What a counter of the service stands at."""
    metrics = (await gateways.client.get(f"{gateways.origin}/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in metrics.splitlines() if line.startswith(marked))


@pytest.mark.parametrize(("provider", "code"), [("exotel", "23080"), ("pinpoint", "TEXT_CARRIER_BLOCKED")])
async def test_a_text_that_dlt_does_not_know_calls_an_operator(sms: SmsGateways, code: str):
    await sms.control("PUT", "/templates", [REGISTERED | {"body": "Another {#var#} text"}])
    alarms = f'converse_provider_alarms_total{{channel="sms",code="{code}"}}'
    before = await counted(sms.gateways, alarms)
    intent = await sms.say()
    await sms.gateways.until(intent, "failed")
    [failed] = [fact.event for fact in await sms.gateways.told(intent) if isinstance(fact.event, Failed)]
    assert failed.code == code
    assert await counted(sms.gateways, alarms) == before + 1


@pytest.mark.parametrize(
    ("provider", "refuse", "code"),
    [("exotel", "401:34010", "34010"), ("exotel", "403:40001", "40001"), ("sns", "AuthorizationError", "AuthorizationError"),
     ("pinpoint", "ServiceQuotaExceededException:MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT")],
)  # fmt: skip
async def test_a_refusal_of_our_account_stops_it(sms: SmsGateways, refuse: str, code: str):
    await sms.goes_wrong(refuse=refuse)
    stops = 'converse_accounts_stopped_total{account="sms"}'
    before = await counted(sms.gateways, stops)
    intent = await sms.say()
    await sms.gateways.until(intent, "rejected")
    [rejected] = [fact.event for fact in await sms.gateways.told(intent)]
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.scope) == (code, "account")
    assert await counted(sms.gateways, stops) == before + 1
    next_one = await sms.say()
    assert await sms.gateways.until(next_one, "withheld") == ["withheld"]
    assert await sms.sent() == []


@pytest.mark.parametrize(("provider", "last"), [("pinpoint", "rejected"), ("exotel", "failed")])
async def test_somebody_who_opted_out_at_the_provider_is_not_written_to_again(sms: SmsGateways, last: str):
    await sms.control("PUT", "/numbers", {"opted_out": [PRIYA_PHONE]})
    intent = await sms.say()
    await sms.gateways.until(intent, last)
    [fact] = await sms.gateways.inbound("unsubscribed")
    digest = (await sms.gateways.store.keyring.lookup(TENANT, "sms", PRIYA_PHONE)).hex()
    assert fact.event == Unsubscribed(
        channel="sms", digest=digest, how="preference", sender=PRIYA_PHONE, reference=str(intent.id)
    )


@pytest.mark.parametrize("provider", ["exotel"])
async def test_the_do_not_disturb_register_stops_marketing_and_is_no_opting_out(sms: SmsGateways):
    await sms.control("PUT", "/numbers", {"do_not_disturb": [PRIYA_PHONE]})
    await sms.gateways.publish(bundle_of("exotel", templates=TEMPLATES.replace("utility", "marketing")))
    intent = await sms.say()
    await sms.gateways.until(intent, "failed")
    failed = (await sms.gateways.told(intent))[1].event
    assert isinstance(failed, Failed)
    assert failed.code == "23005"
    facts = await sms.gateways.store.read_log(0, 0, 10_000, families=["inbound"])
    assert not any(isinstance(fact.event, Unsubscribed) for fact in facts)


@pytest.mark.parametrize("provider", ["sns"])
async def test_over_its_budget_sns_says_yes_and_sends_nothing(sms: SmsGateways):
    await sms.control("PUT", "/budget", {"segments": 0})
    intent = await sms.say()
    assert await sms.gateways.until(intent, "accepted") == ["accepted"]
    [message] = await sms.sent()
    assert message["fate"] == "over_budget"


@pytest.mark.parametrize("provider", ["pinpoint"])
async def test_what_an_event_says_it_cost_is_kept(sms: SmsGateways):
    await sms.say()
    facts: list[Any] = await sms.gateways.inbound("status_received", 2)
    costs = [fact.event.cost for fact in facts if isinstance(fact.event, StatusReceived)]
    assert Cost(currency="USD", micros=2_780) in costs


@pytest.mark.parametrize(("provider", "rate"), [("exotel", 3.0), ("pinpoint", 20.0)])
async def test_each_provider_has_its_own_limits(sms: SmsGateways, rate: float):
    await sms.gateways.until(await sms.say(), "accepted")
    account = await sms.gateways.store.pool.fetchrow(
        "SELECT rate FROM gateways.account WHERE tenant = $1 AND account = 'sms'", TENANT
    )
    assert account is not None
    assert account["rate"] == rate
