"""A mail goes out once, whatever its server does, and what becomes of it is told once."""

import base64
import email
from collections.abc import AsyncIterator
from datetime import timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from events.message import Accepted, Bounced, Failed, Rejected
from events.values import Attachment, Choice, Cost
from libs.channels.email_html import MARKER
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import PRIYA_EMAIL, TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.effects_world import until
from tests.services.gateways.conftest import HASTY
from tests.services.gateways.email_world import EmailWorld, bundle_of, email_world


@pytest.fixture
async def world(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str, tmp_path: Path, patience: timedelta
) -> AsyncIterator[EmailWorld]:
    async with email_world(database, store, store_of, clock, nats_url, tmp_path, patience=patience) as running:
        yield running


def whole(letter: dict[str, Any]) -> Any:
    return email.message_from_bytes(base64.b64decode(letter["raw"]), policy=default)


async def test_a_mail_goes_out_and_its_way_is_told(world: EmailWorld):
    intent = await world.say("On which date will you pay?", body={"subject": "Invoice INV-2026-0042"})
    assert await world.until(intent, "delivered") == ["accepted", "delivered"]
    [letter] = await world.sent()
    assert (letter["to"], letter["subject"]) == (PRIYA_EMAIL, "Invoice INV-2026-0042")
    assert letter["text"].startswith(f"{MARKER}\n\nOn which date will you pay?\n")
    accepted = (await world.told(intent))[0].event
    assert accepted == Accepted(
        conversation="1",
        channel="email",
        provider_ref=f"{intent.id}@mail.sandbox.example",
        cost=Cost(currency="INR", micros=20_000),
    )


async def test_its_addresses_lead_back_and_it_can_be_unsubscribed_by_one_click(world: EmailWorld):
    await world.say()
    [letter] = await world.sent()
    headers = letter["headers"]
    assert letter["reply_to"].startswith("r+")
    assert letter["reply_to"].endswith("@reply.sandbox.example")
    assert letter["sender"].startswith("b+")
    assert letter["sender"].endswith("@bounce.sandbox.example")
    assert headers["list-unsubscribe-post"] == ["List-Unsubscribe=One-Click"]
    assert headers["list-unsubscribe"][0].startswith("<http://hooks.acme.example/unsubscribe/default.")
    assert headers["auto-submitted"] == ["auto-generated"]


async def test_it_stands_in_its_thread(world: EmailWorld):
    await world.say(
        reply_to="CAFx@mail.gmail.com", thread=["CAFx@mail.gmail.com", "first@mail.acme.example"], purpose="answer"
    )
    [letter] = await world.sent()
    mail = whole(letter)
    assert mail["In-Reply-To"] == "<CAFx@mail.gmail.com>"
    assert mail["References"] == "<first@mail.acme.example> <CAFx@mail.gmail.com>"
    assert mail["Subject"] == "Re: Message from Asha"
    assert mail["Auto-Submitted"] == "auto-replied"


async def test_a_person_writes_as_a_person_and_choices_are_written_out(world: EmailWorld):
    choices = [Choice(id="1", title="Paid"), Choice(id="2", title="Not yet")]
    await world.say("Which is it?", purpose="operator", body={"choices": choices})
    [letter] = await world.sent()
    assert "auto-submitted" not in letter["headers"]
    assert "Which is it?\n\n1. Paid\n2. Not yet" in letter["text"]


async def test_files_go_along(world: EmailWorld):
    name = await world.objects.put(TENANT, "conversation-1", "invoice", b"%PDF-1.7 invoice")
    file = Attachment(media_type="application/pdf", name="INV-2026-0042.pdf", size=16, object=name)
    await world.say(body={"attachments": [file]})
    [letter] = await world.sent()
    [attached] = whole(letter).iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("INV-2026-0042.pdf", b"%PDF-1.7 invoice")


async def test_a_file_that_is_gone_is_refused_without_a_call(world: EmailWorld):
    file = Attachment(media_type="application/pdf", name="x.pdf", object=f"{TENANT}/nothing/0")
    intent = await world.say(body={"attachments": [file]})
    await world.until(intent, "rejected")
    [rejected] = [fact.event for fact in await world.told(intent)]
    assert isinstance(rejected, Rejected)
    assert rejected.scope == "message"
    assert await world.count_sent() == 0


@pytest.mark.parametrize(
    ("fault", "scope"),
    [
        ({"at": "recipient", "refuse": f"550 5.1.1 <{PRIYA_EMAIL}>: no such user"}, "contact"),
        ({"at": "content", "refuse": "554 5.6.0 message refused"}, "message"),
        ({"at": "login", "refuse": "535 5.7.8 authentication failed"}, "account"),
        ({"at": "content", "refuse": "550 5.7.26 DMARC failed"}, "account"),
        ({"starttls": False}, "account"),
    ],
    ids=["bounce", "content", "login", "dmarc", "no-starttls"],
)
async def test_a_refusal_is_told_with_its_scope_and_names_nobody(world: EmailWorld, fault: dict[str, Any], scope: str):
    await world.goes_wrong(**fault)
    intent = await world.say()
    await world.until(intent, "rejected")
    [rejected] = [fact.event for fact in await world.told(intent)]
    assert isinstance(rejected, Rejected)
    assert rejected.scope == scope
    assert PRIYA_EMAIL not in rejected.reason
    assert await world.count_sent() == 0


async def test_an_account_that_is_refused_is_stopped_before_more_mail_is_spent_on_it(world: EmailWorld):
    await world.goes_wrong(at="login", refuse="535 5.7.8 authentication failed")
    await world.until(await world.say(), "rejected")
    assert await world.until(await world.say(), "withheld") == ["withheld"]


async def test_a_greylisted_mail_is_tried_again_minutes_later_and_arrives_once(world: EmailWorld):
    await world.goes_wrong(refuse="451 4.7.1 greylisted, try again later")
    intent = await world.say()

    async def waits() -> bool:
        effect = await world.effect(intent)
        return effect.get("attempt") == 1 and effect["state"] == "open" and effect["not_before"] is not None

    await until(waits)
    effect = await world.effect(intent)
    assert timedelta(minutes=4) < effect["not_before"] - effect["opened_at"] < timedelta(minutes=6)
    await world.hurry(intent)
    assert await world.until(intent, "delivered") == ["accepted", "delivered"]
    assert len(await world.sent()) == 1


@pytest.mark.parametrize("patience", [HASTY])
@pytest.mark.parametrize("answer", ["hung", "dropped", "garbled"])
async def test_a_lost_answer_is_unknown_until_an_event_tells_and_nothing_is_sent_twice(world: EmailWorld, answer: str):
    await world.goes_wrong(answer=answer)
    intent = await world.say()
    assert await world.until(intent, "delivered") == ["outcome_unknown", "accepted", "delivered"]
    assert len(await world.sent()) == 1
    assert (await world.effect(intent))["outcome"] == "resolved"


async def test_an_answer_of_the_contact_proves_that_an_unknown_mail_went_out(world: EmailWorld):
    await world.goes_wrong(answer="dropped", silent=True)
    intent = await world.say()
    await world.until(intent, "outcome_unknown")
    await world.priya_writes("Friday")
    assert await world.until(intent, "delivered") == ["outcome_unknown", "accepted", "delivered"]
    assert await world.count_sent() == 1


async def test_a_bounce_report_proves_that_an_unknown_mail_went_out(world: EmailWorld):
    await world.goes_wrong(answer="dropped", bounces="5.1.1", told_by="report")
    intent = await world.say()
    assert await world.until(intent, "bounced") == ["outcome_unknown", "accepted", "bounced"]


@pytest.mark.parametrize("told_by", ["event", "report", "plain"])
async def test_a_mail_that_comes_back_later_has_bounced(world: EmailWorld, told_by: str):
    await world.goes_wrong(bounces="5.1.1", told_by=told_by)
    intent = await world.say()
    assert await world.until(intent, "bounced") == ["accepted", "bounced"]
    bounced = (await world.told(intent))[1].event
    assert isinstance(bounced, Bounced)
    assert bounced.permanent
    assert PRIYA_EMAIL not in bounced.reason


async def test_a_full_mailbox_is_no_permanent_bounce(world: EmailWorld):
    await world.goes_wrong(bounces="5.2.2", told_by="report")
    intent = await world.say()
    await world.until(intent, "bounced")
    bounced = (await world.told(intent))[1].event
    assert isinstance(bounced, Bounced)
    assert not bounced.permanent


async def test_a_mail_that_is_blocked_has_failed_and_the_address_is_good(world: EmailWorld):
    await world.goes_wrong(bounces="blocked")
    intent = await world.say()
    assert await world.until(intent, "failed") == ["accepted", "failed"]
    failed = (await world.told(intent))[1].event
    assert isinstance(failed, Failed)
    assert failed.code == "5.7.1"


async def test_a_delay_is_no_bounce(world: EmailWorld):
    await world.goes_wrong(delayed=True)
    intent = await world.say()
    assert await world.until(intent, "delivered") == ["accepted", "delivered"]


async def test_a_bounce_after_the_delivery_counts_and_a_late_delivery_does_not(world: EmailWorld):
    await world.goes_wrong(bounces="5.1.1", told_by="report")
    intent = await world.say()
    await world.until(intent, "bounced")
    [letter] = await world.sent()
    await world.control("/mailgun", {"name": "delivered", "about": letter["id"]})
    await world.quiet()
    second = await world.say()
    await world.until(second, "delivered")
    assert await world.until(intent) == ["accepted", "bounced"]
    [_, letter] = await world.sent(2)
    event = {"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "bounce-code": "5.1.1"}}
    await world.control("/mailgun", {"name": "failed", "about": letter["id"], "more": event})
    assert await world.until(second, "bounced") == ["accepted", "delivered", "bounced"]


async def test_events_in_any_order_and_number_tell_the_same(world: EmailWorld):
    await world.goes_wrong(order="backwards", copies=3, batched=True)
    intent = await world.say()
    await world.until(intent, "delivered")
    await world.quiet()
    second = await world.say()
    await world.until(second, "delivered")
    assert await world.until(intent) == ["accepted", "delivered"]


async def test_a_mail_whose_id_a_relay_rewrote_is_still_found_by_its_tokens(world: EmailWorld):
    await world.goes_wrong(rewrites_id=True, bounces="5.1.1", told_by="report")
    intent = await world.say()
    assert await world.until(intent, "bounced") == ["accepted", "bounced"]


async def test_the_kill_switch_withholds(world: EmailWorld):
    await world.publish(bundle_of("channels: {email: {enabled: false, provider: smtp}}\n"))
    assert await world.until(await world.say(), "withheld") == ["withheld"]
    assert await world.count_sent() == 0


async def test_an_address_that_is_none_is_refused_without_a_call(world: EmailWorld):
    intent = await world.say(to="nobody")
    assert await world.until(intent, "rejected") == ["rejected"]


async def test_without_any_evidence_an_unknown_mail_counts_as_sent_and_is_not_repeated(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str, tmp_path: Path
):
    evidence = timedelta(seconds=0.2)
    async with email_world(database, store, store_of, clock, nats_url, tmp_path, evidence=evidence) as world:
        await world.goes_wrong(answer="dropped", silent=True)
        intent = await world.say()

        async def closed() -> bool:
            return (await world.effect(intent)).get("outcome") == "unresolved"

        await until(closed)
        assert await world.until(intent) == ["outcome_unknown"]
        assert await world.count_sent() == 1
