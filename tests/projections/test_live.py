"""What the read models show of a journey, with real servers and the rights of the console."""

import asyncio
from typing import Any

import asyncpg
import pytest

from events import consent, contact, conversation, message, operator
from events.address import SenderUnknown
from libs.kit import quarantine
from libs.kit.reactor import Reactor
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE, PRIYA, TENANT
from projections import PROJECTIONS
from projections.verify import verify
from tests.projections.journey import Journey, Log


async def rows(store: Store, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await store.pool.fetch(f"SELECT * FROM read.{table} ORDER BY 1, 2, 3")]


async def projected(reactor: Reactor, log: Log) -> None:
    await asyncio.wait_for(reactor.caught_up(await log.store.head(0)), 20)
    assert await quarantine.entries(log.store.pool) == []


async def test_a_journey_shows_in_every_read_model(projecting: Reactor, log: Log):
    await Journey(log).whole()
    await projected(projecting, log)
    [priya] = await rows(log.store, "contacts")
    assert (priya["id"], priya["name"], priya["known_to_erp"]) == (PRIYA, "Priya Sharma", True)
    [talk] = await rows(log.store, "conversations")
    assert (talk["status"], talk["active_channel"], talk["language"]) == ("closed", "whatsapp", "hi-Latn")
    [matter] = await rows(log.store, "followups")
    assert (matter["status"], matter["outcome"], matter["attempt_count"]) == ("resolved", "paid", 1)
    assert matter["conversation_id"] == "conv-1"
    assert '"amount": 52400' in matter["business_context"]
    [binding] = await rows(log.store, "state_bindings")
    assert (binding["current_state"], binding["entity_id"]) == ("promised", INVOICE)
    assert '"payment_date": "2026-02-20"' in binding["state_data"]
    said = {row["direction"]: row for row in await rows(log.store, "messages") if row["channel"] == "whatsapp"}
    assert (said["outbound"]["status"], said["outbound"]["cost"]) == ("read", '{"micros": 115000, "currency": "INR"}')
    assert said["inbound"]["content"] == "20 February tak kar denge"
    [turn] = await rows(log.store, "turns")
    assert (turn["status"], turn["intents"]) == ("completed", '["promise_to_pay"]')
    assert [(row["rule_id"], row["matched"]) for row in await rows(log.store, "rule_evaluations")] == [
        ("overdue", True),
        ("other", False),
    ]
    assert {row["verdict"] for row in await rows(log.store, "policy_decisions")} == {"allowed"}
    [talked] = await rows(log.store, "calls")
    assert (talked["status"], talked["person"], talked["ring_seconds"], talked["talk_seconds"]) == (
        "ended",
        "confirmed",
        9.0,
        40,
    )
    assert [row["total_ms"] for row in await rows(log.store, "call_turns")] == [None, 540]
    assert [row["tool"] for row in await rows(log.store, "call_tools")] == ["report_intent"]


async def test_the_timeline_holds_what_led_to_the_conversation_and_all_that_came_of_it(projecting: Reactor, log: Log):
    await Journey(log).whole()
    stranger = await log.tell("conversation-other", conversation.Opened(contact_id="c_9"))
    await projected(projecting, log)
    positions = {row["pos"] for row in await rows(log.store, "timeline") if row["conversation_id"] == "conv-1"}
    facts = await log.store.read_log(0, 0, 1000)
    assert positions == {fact.pos for fact in facts} - {stranger.pos}


async def test_a_withdrawn_consent_belongs_to_the_conversation_in_which_it_was_said(projecting: Reactor, log: Log):
    journey = Journey(log)
    await journey.begin()
    await journey.promise("STOP")
    [came] = await log.store.read_stream(TENANT, "inbound-whatsapp-1")
    withdrawn = consent.Withdrawn(contact_id=PRIYA, how="stop_word", evidence="STOP")
    fact = await log.tell(f"consent-{PRIYA}", withdrawn, because=came)
    await projected(projecting, log)
    assert fact.pos in {row["pos"] for row in await rows(log.store, "timeline")}
    [priya] = await rows(log.store, "contacts")
    assert priya["stopped"]


async def test_a_conversation_waits_after_we_have_spoken_and_is_open_once_she_answers(projecting: Reactor, log: Log):
    journey = Journey(log)
    await journey.begin()
    await journey.remind()
    await projected(projecting, log)
    [talk] = await rows(log.store, "conversations")
    assert talk["status"] == "waiting"
    await journey.promise()
    await projected(projecting, log)
    [talk] = await rows(log.store, "conversations")
    assert talk["status"] == "open"


@pytest.mark.parametrize("outcome", ["failed", "withheld"])
async def test_a_message_that_did_not_go_out_leaves_nobody_to_wait_for(projecting: Reactor, log: Log, outcome: str):
    journey = Journey(log)
    await journey.begin()
    await journey.remind()
    await log.tell(journey.stream, conversation.OutcomeHeard(intent=journey.message, outcome=outcome))
    await projected(projecting, log)
    [talk] = await rows(log.store, "conversations")
    assert talk["status"] == "open"


async def test_a_late_state_of_a_message_never_undoes_a_further_one(projecting: Reactor, log: Log):
    journey = Journey(log)
    await journey.begin()
    await journey.remind()
    late = (
        message.Delivered(conversation=journey.id, channel="whatsapp", at=log.now),
        message.Failed(conversation=journey.id, channel="whatsapp", code="1", reason="late", at=log.now),
    )
    await log.tell(f"message-{journey.message}", *late)
    await projected(projecting, log)
    [said] = await rows(log.store, "messages")
    assert said["status"] == "read"


async def test_nul_in_what_a_contact_writes_is_replaced_not_refused(projecting: Reactor, log: Log):
    journey = Journey(log)
    await journey.begin()
    await journey.promise("a\0b")
    await projected(projecting, log)
    [said] = await rows(log.store, "messages")
    assert said["content"] == "a\ufffdb"


async def test_an_analyst_sees_the_rows_of_the_tenant_that_the_session_names_and_no_others(
    projecting: Reactor, log: Log, database: str
):
    await log.store.pool.execute("INSERT INTO ops.tenant (tenant, shard) VALUES ('other', 0)")
    await Journey(log).begin()
    await Journey(Log(log.store, "other")).begin()
    await projected(projecting, log)
    analyst = await asyncpg.connect(database, server_settings={"role": "converse_analyst"})
    try:
        assert await analyst.fetch("SELECT * FROM read.conversations") == []
        await analyst.execute("SET converse.tenant = 'other'")
        assert {row["tenant"] for row in await analyst.fetch("SELECT tenant FROM read.conversations")} == {"other"}
        [table] = await analyst.fetch("SELECT tablename FROM pg_tables WHERE tablename LIKE 'contacts\\_v%'")
        assert {row["tenant"] for row in await analyst.fetch(f"SELECT tenant FROM read.{table[0]}")} == {"other"}
        for refused in ("DELETE FROM read.conversations", "SELECT * FROM log.event", "SELECT * FROM keys.data_key"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await analyst.execute(refused)
    finally:
        await analyst.close()


async def test_a_fact_of_a_stream_that_never_opened_makes_no_row(projecting: Reactor, log: Log):
    unknown = SenderUnknown(channel="whatsapp", digest="d", address="+91")
    await log.tell("conversation-unknown-d", unknown)
    await log.tell("message-ghost", message.Read(conversation="ghost", channel="whatsapp", at=log.now))
    await projected(projecting, log)
    assert await rows(log.store, "conversations") == []
    assert await rows(log.store, "messages") == []


async def test_what_an_erased_contact_said_on_the_phone_is_in_no_table_and_the_tables_equal_the_log(
    projecting: Reactor, log: Log
):
    await Journey(log).whole()
    await projected(projecting, log)
    tables = ("messages", "calls", "call_turns")
    assert {name for name in tables if "Zanzibar" in repr(await rows(log.store, name))} == set(tables)
    await log.store.pool.execute("SELECT keys.destroy($1, $2)", TENANT, [f"contact-{PRIYA}"])
    await log.tell("operator-1", operator.ErasureRequested(contact_id=PRIYA, operator="asha"))
    await log.tell(f"consent-{PRIYA}", consent.Withdrawn(contact_id=PRIYA, how="erasure", evidence=""))
    await log.tell(f"contact-{PRIYA}", contact.ErasureFailed(contact_id=PRIYA, reason="the keys are away"))
    await log.tell("operator-2", operator.ErasureRequested(contact_id=PRIYA, operator="asha"))
    await log.tell("operator-3", operator.ErasureRequested(contact_id="c_nobody", operator="asha"))
    await log.tell(f"contact-{PRIYA}", contact.Erased(contact_id=PRIYA))
    await projected(projecting, log)
    assert {name for name in tables if "Zanzibar" in repr(await rows(log.store, name))} == set()
    [talked] = await rows(log.store, "calls")
    assert (talked["summary"], talked["summary_facts"], talked["talk_seconds"]) == ("[erased]", "{}", 40)
    assert {row["agent"] for row in await rows(log.store, "call_turns")} == {"[erased]"}
    [priya] = await rows(log.store, "contacts")
    assert (priya["erasure"], priya["stopped"]) == ("done", True)
    assert [verdict.name for verdict in await verify(log.store, PROJECTIONS) if not verdict.equal] == []
