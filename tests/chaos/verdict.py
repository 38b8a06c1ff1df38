"""Afterwards: what the log, JetStream, the ledgers and the emulated providers hold, against what was promised."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import nats

from libs.kit import ids, wire
from tests.chaos.faults import UNANSWERED, Fault
from tests.chaos.house import House
from tests.chaos.load import SOURCE, Ledger

SHARDS = "SELECT shard, pos FROM log.log_head ORDER BY shard"
GAPS = """SELECT count(*) AS facts, coalesce(min(pos), 1) AS first, coalesce(max(pos), 0) AS last,
    count(DISTINCT event_id) AS ids FROM log.event WHERE shard = $1"""
BROKEN_STREAMS = """SELECT count(*) FROM (SELECT 1 FROM log.event GROUP BY tenant, stream_id
    HAVING count(*) <> max(version) OR min(version) <> 1) broken"""
STREAMS_OF = "SELECT stream_id, count(*) AS facts FROM log.event WHERE stream_id = ANY ($1) GROUP BY stream_id"
WATERMARKS = "SELECT c.consumer, c.shard, c.pos, h.pos AS head FROM log.checkpoint c JOIN log.log_head h USING (shard)"
QUARANTINE = (
    "SELECT consumer, type, error FROM ops.quarantine UNION ALL SELECT consumer, 'parked', target FROM ops.parked"
)
FOLLOWUPS = """SELECT stream_id,
    max(convert_from(data, 'UTF8')::jsonb ->> 'entity_id') FILTER (WHERE type = 'followup.opened.v1') AS entity,
    array_agg(type) FILTER (
        WHERE type IN ('followup.resolved.v1', 'followup.exhausted.v1', 'followup.cancelled.v1')) AS settled
    FROM log.event WHERE category = 'followup' GROUP BY stream_id"""
UNSETTLED_MATTERS = """SELECT convert_from(o.data, 'UTF8')::jsonb ->> 'entity_id' AS entity,
    EXISTS (
        SELECT FROM log.event e WHERE e.category = 'conversation' AND e.type = 'conversation.escalated.v1'
            AND convert_from(e.data, 'UTF8')::jsonb ->> 'matter' = substr(o.stream_id, 10)
    ) AS escalated
    FROM log.event o
    WHERE o.type = 'followup.opened.v1' AND NOT EXISTS (
        SELECT FROM log.event e WHERE e.stream_id = o.stream_id
            AND e.type IN ('followup.resolved.v1', 'followup.exhausted.v1', 'followup.cancelled.v1'))"""
UNKNOWN = """SELECT substr(stream_id, 9)::uuid AS message, convert_from(data, 'UTF8')::jsonb ->> 'reason' AS reason,
    recorded_at FROM log.event WHERE type = 'message.outcome_unknown.v1'"""
MESSAGES = """SELECT substr(stream_id, 9)::uuid AS message, array_agg(type ORDER BY version) AS types
    FROM log.event WHERE category = 'message' GROUP BY stream_id"""
REQUESTED = "SELECT event_id FROM log.event WHERE type = 'conversation.message_requested.v1'"
OUTCOMES = """SELECT convert_from(data, 'UTF8')::jsonb ->> 'endpoint' AS endpoint, count(*) AS calls FROM log.event
    WHERE type = 'conversation.writeback_requested.v1' GROUP BY 1"""
NOT_HEARD_ONCE = """SELECT r.stream_id, count(s.inbound) AS times
    FROM log.event r LEFT JOIN (
        SELECT convert_from(data, 'UTF8')::jsonb ->> 'inbound' AS inbound FROM log.event
        WHERE type = 'conversation.contact_said.v1'
    ) s ON s.inbound = r.stream_id
    WHERE r.type = 'inbound.received.v1' GROUP BY r.stream_id HAVING count(s.inbound) <> 1"""
TALKS = """SELECT stream_id, greatest(answered, person) >= said AS ended FROM (
    SELECT stream_id,
        max(version) FILTER (WHERE type = 'conversation.contact_said.v1') AS said,
        max((convert_from(data, 'UTF8')::jsonb ->> 'answers')::bigint)
            FILTER (WHERE type = 'conversation.message_requested.v1') AS answered,
        max(version) FILTER (WHERE type = 'conversation.escalated.v1'
            OR type = 'conversation.closed.v1' AND convert_from(data, 'UTF8')::jsonb ->> 'reason' = 'opted_out') AS person
    FROM log.event WHERE category = 'conversation' GROUP BY stream_id) talk
    WHERE said IS NOT NULL"""
"""Conversations in which a contact wrote; `ended` where we answered the last of it, a person was called, or it was a stop."""
UNFINISHED = """SELECT 'orchestrator' AS ledger, kind, state FROM orchestrator.effect WHERE state IN ('open', 'claimed')
    UNION ALL SELECT 'gateways', kind, state FROM gateways.effect WHERE state IN ('open', 'claimed')
    UNION ALL SELECT 'backend_sync', kind, state FROM backend_sync.effect WHERE state IN ('open', 'claimed')"""
READ_AT_ONCE = 100
NAMED = 20
"""So many messages of unknown status are listed."""


@dataclass(slots=True)
class Verdict:
    """Figures in the order in which they are shown, and each promise that was broken."""

    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def must_be(self, name: str, found: Any, wanted: Any = 0, *, why: Sequence[Any] = ()) -> None:
        """A figure that must be `wanted`; `why` shows the first of what is wrong."""
        self.figures[name] = found
        if found != wanted:
            shown = "; ".join(str(each) for each in list(why)[:5])
            self.violations.append(f"{name}: {found}, must be {wanted}" + (f" ({shown})" if shown else ""))

    @property
    def passed(self) -> bool:
        return not self.violations


class Asked(Protocol):
    """Whom the log is asked through."""

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]: ...

    async def value(self, sql: str, *args: Any) -> Any: ...


async def judge(house: House, sent: Ledger, faults: Sequence[Fault], *, settled: bool = True) -> Verdict:
    """Everything that was promised, looked up; what only matters that are `settled` promise, where they are."""
    verdict = Verdict()
    await _facts(house, verdict, sent)
    await _positions(house, verdict)
    await _consumers(house, verdict)
    await messages(house, verdict)
    if settled:
        await _followups(house, verdict, sent)
    await _provider(house, verdict, faults)
    await _erp(house, verdict)
    await _services(house, verdict)
    return verdict


async def _services(house: House, verdict: Verdict) -> None:
    """Nothing here needs a person: whatever ends or crashes by itself should have waited or stepped down instead."""
    falls = [fall for service in house.services.values() for fall in service.falls]
    stopped = [fall for fall in falls if fall.for_a_person]
    ended = [fall for fall in falls if not fall.for_a_person]
    verdict.must_be("services that ended by themselves", len(ended), why=ended)
    verdict.must_be("services that ended because a person has to act", len(stopped), why=stopped)
    crashes = await asyncio.to_thread(house.crashes)
    verdict.must_be("loops that crashed", len(crashes), why=crashes)


async def _facts(house: House, verdict: Verdict, sent: Ledger) -> None:
    """Each POST that was answered with 202 or 200 is one fact."""
    courier = await house.ask_outside("/_chaos/courier")
    streams = {f"business-{ids.digest(SOURCE, each)}": each for each in sent.accepted}
    streams |= {f"inbound-whatsapp-{ids.digest(each)}": each for each in courier["accepted"]}
    found = {row["stream_id"]: row["facts"] for row in await house.fetch(STREAMS_OF, list(streams))}
    verdict.figures["events accepted (202)"] = len(sent.accepted)
    verdict.figures["webhook items accepted, of deliveries"] = (
        f"{len(courier['accepted'])} of {sum(courier['accepted'].values())}"
    )
    verdict.figures["webhooks, each delivered three times in random order"] = courier["webhooks"]
    untaken = sorted(set(courier["items"]) - set(courier["accepted"]))
    verdict.must_be("webhook items that were never taken", len(untaken), why=untaken)
    lost = [each for stream, each in streams.items() if stream not in found]
    doubled = [streams[stream] for stream, facts in found.items() if facts != 1]
    verdict.must_be("accepted facts lost", len(lost), why=lost)
    verdict.must_be("accepted facts stored twice", len(doubled), why=doubled)
    verdict.must_be("events answered neither 202 nor 503", len(sent.refused), why=sent.refused)
    odd = {code: times for code, times in courier["answers"].items() if code not in ("200", "503", "none")}
    verdict.must_be("webhooks answered neither 200 nor 503", sum(odd.values()), why=list(odd.items()))


async def _positions(house: House, verdict: Verdict) -> None:
    missing = doubled = 0
    for shard, head in await house.fetch(SHARDS):
        row = (await house.fetch(GAPS, shard))[0]
        missing += head - row["facts"] + (row["last"] != head) + (row["first"] != 1)
        doubled += row["facts"] - row["ids"]
        verdict.figures[f"facts in shard {shard}"] = head
        differing, from_seq, last_seq = await compare_stream(house, shard)
        verdict.must_be(f"JetStream's last sequence of shard {shard}", last_seq, head)
        verdict.must_be(
            f"sequences of shard {shard} (from {from_seq}) that differ from their position",
            len(differing),
            why=differing,
        )
    verdict.must_be("positions missing", missing)
    verdict.must_be("event ids stored twice", doubled)
    verdict.must_be("streams with a version missing", await house.value(BROKEN_STREAMS))


async def compare_stream(house: House, shard: int) -> tuple[list[int], int, int]:
    """The sequences of a shard's stream whose message is not the fact of that position; the first and last sequence."""
    connection = await nats.connect(house.nats_url("relay"), inbox_prefix=b"_INBOX_relay")
    try:
        stream = connection.jetstream(timeout=10)
        state = (await stream.stream_info(f"EV_{shard}")).state
        differing: list[int] = []
        for begin in range(state.first_seq, state.last_seq + 1, READ_AT_ONCE):
            end = min(begin + READ_AT_ONCE, state.last_seq + 1)
            rows = await house.fetch(
                "SELECT pos, event_id FROM log.event WHERE shard = $1 AND pos >= $2 AND pos < $3", shard, begin, end
            )
            kept = {row["pos"]: row["event_id"] for row in rows}
            carried = await asyncio.gather(*(stream.get_msg(f"EV_{shard}", seq) for seq in range(begin, end)))
            for seq, carrier in enumerate(carried, begin):
                message = wire.decode(carrier.data or b"")
                if message.pos != seq or kept.get(seq) != message.event_id:
                    differing.append(seq)
        return differing, state.first_seq, state.last_seq
    finally:
        await connection.close()


async def _consumers(house: House, verdict: Verdict) -> None:
    rows = await house.fetch(WATERMARKS)
    verdict.figures["watermarks"] = ", ".join(sorted(f"{row['consumer']} {row['pos']}" for row in rows))
    beyond = [row["consumer"] for row in rows if row["pos"] > row["head"]]
    behind = [f"{row['consumer']} {row['pos']} of {row['head']}" for row in rows if row["pos"] < row["head"]]
    verdict.must_be("watermarks beyond the head", len(beyond), why=beyond)
    verdict.must_be("watermarks behind the head", len(behind), why=behind)
    quarantined = [tuple(row) for row in await house.fetch(QUARANTINE)]
    verdict.must_be("facts in quarantine or parked", len(quarantined), why=quarantined)
    unfinished = [tuple(row) for row in await house.fetch(UNFINISHED)]
    verdict.must_be("effects not finished", len(unfinished), why=unfinished)


async def messages(house: Asked, verdict: Verdict) -> None:
    """Each message of a contact is heard once by one conversation, and each conversation has an answer to the last."""
    received = await house.value("SELECT count(*) FROM log.event WHERE type = 'inbound.received.v1'")
    verdict.figures["messages of contacts in the log"] = received
    odd = [f"{row['stream_id']}: {row['times']} times" for row in await house.fetch(NOT_HEARD_ONCE)]
    verdict.must_be("messages of contacts not heard exactly once", len(odd), why=odd)
    rows = await house.fetch(TALKS)
    silent = [row["stream_id"] for row in rows if not row["ended"]]
    verdict.figures["conversations in which a contact wrote"] = len(rows)
    verdict.must_be("conversations without an answer to what was said last", len(silent), why=silent)


async def _followups(house: House, verdict: Verdict, sent: Ledger) -> None:
    rows = await house.fetch(FOLLOWUPS)
    wanted = sum(name == "invoice_overdue" for name in sent.accepted.values())
    per_invoice = Counter(row["entity"] for row in rows)
    unsettled = [row["entity"] for row in rows if not row["settled"]]
    twice = [row["entity"] for row in rows if row["settled"] and len(row["settled"]) > 1]
    ends = Counter(row["settled"][0].split(".")[1] for row in rows if row["settled"])
    verdict.must_be("follow-ups", len(rows), wanted)
    verdict.must_be("invoices with several follow-ups", sum(count > 1 for count in per_invoice.values()))
    verdict.figures["follow-ups settled"] = ", ".join(f"{count} {how}" for how, count in ends.most_common())
    verdict.must_be("follow-ups not settled", len(unsettled), why=unsettled)
    verdict.must_be("follow-ups settled twice", len(twice), why=twice)


async def _provider(house: House, verdict: Verdict, faults: Sequence[Fault]) -> None:
    """What Meta's emulator was asked to send, against what we know of it."""
    sent = await house.ask_outside("/_sandbox/meta/messages")
    times = Counter(message["reference"] for message in sent)
    requested = {str(row["event_id"]) for row in await house.fetch(REQUESTED)}
    verdict.figures["messages sent at the provider"] = len(sent)
    twice = [f"{reference}: {count}" for reference, count in times.items() if count > 1]
    verdict.must_be("messages sent twice", len(twice), why=twice)
    strangers = [reference for reference in times if reference not in requested]
    verdict.must_be("messages sent that nobody asked for", len(strangers), why=strangers)
    known = {row["message"]: row["types"] for row in await house.fetch(MESSAGES)}
    untold = [reference for reference in times if reference in requested and UUID(reference) not in known]
    verdict.must_be("messages sent without an outcome in the log", len(untold), why=untold)
    silent = [reference for reference in requested if UUID(reference) not in known]
    verdict.must_be("messages asked for without an outcome in the log", len(silent), why=silent)
    falsely = [
        str(message) for message, types in known.items() if "message.accepted.v1" in types and times[str(message)] == 0
    ]
    verdict.must_be("messages told accepted that were never sent", len(falsely), why=falsely)
    _unknown(verdict, await house.fetch(UNKNOWN), faults, known, times)


def _unknown(
    verdict: Verdict,
    rows: Sequence[asyncpg.Record],
    faults: Sequence[Fault],
    known: dict[UUID, list[str]],
    times: Counter[str],
) -> None:
    """Each unknown outcome is laid to a fault: one that killed or paused while its call was claimed, or one of Meta's."""
    by_crash = {row["message"] for row in rows if any(row["message"] in fault.hit for fault in faults)}
    others = [row for row in rows if row["message"] not in by_crash]
    of_meta = sum(fault.kind == "whatsapp" and fault.target in UNANSWERED for fault in faults)
    open_calls = sum(len(fault.hit) for fault in faults)
    verdict.figures["unknown outcomes"] = len(rows)
    verdict.figures["… claimed when a gateway or Postgres was killed or paused"] = (
        f"{len(by_crash)} of {open_calls} such calls"
    )
    verdict.figures["… after an answer of Meta that says nothing"] = f"{len(others)} of {of_meta} such faults"
    hit = sum(bool(fault.hit) for fault in faults) + of_meta
    verdict.figures["faults that hit an open call"] = hit
    if len(others) > of_meta:
        shown = "; ".join(f"{row['message']} {row['reason']}" for row in others[:5])
        verdict.violations.append(
            f"{len(others)} unknown outcomes that no fault explains, of {of_meta} faults ({shown})"
        )
    if len(rows) > open_calls + of_meta:
        verdict.violations.append(f"{len(rows)} unknown outcomes, but only {open_calls + of_meta} open calls were hit")
    still = [message for message, types in known.items() if _is_unknown(types)]
    verdict.figures["… of which evidence explained"] = len(rows) - len(still)
    verdict.figures["messages whose status stays unknown"] = len(still)
    for message in still[:NAMED]:
        came = "sent, and no status tells it" if times[str(message)] else "never sent"
        verdict.notes.append(f"status unknown: message {message} (at the provider: {came})")
    if len(still) > NAMED:
        verdict.notes.append(f"… and {len(still) - NAMED} more")
    wrongly = [str(message) for message in still if times[str(message)]]
    verdict.must_be("messages unknown although their statuses were accepted", len(wrongly), why=wrongly)


def _is_unknown(types: Sequence[str]) -> bool:
    return "message.outcome_unknown.v1" in types and not any(
        f"message.{state}.v1" in types for state in ("accepted", "delivered", "read", "failed", "rejected")
    )


async def _erp(house: House, verdict: Verdict) -> None:
    writes = await house.ask_outside("/_sandbox/erp/writes")
    keys = Counter(write["key"] for write in writes)
    verdict.figures["ERP writes applied"] = len(writes)
    verdict.figures["… repeated under their key, and not applied again"] = sum(write["replays"] for write in writes)
    doubled = [str(key) for key, count in keys.items() if count > 1 or key is None]
    verdict.must_be("ERP writes applied twice or without a key", len(doubled), why=doubled)
    outcomes = Counter(write["path"] for write in writes if write["path"].endswith("/outcome"))
    again = [path for path, count in outcomes.items() if count > 1]
    verdict.must_be("invoices whose outcome the ERP was told twice", len(again), why=again)
    asked = {row["endpoint"]: row["calls"] for row in await house.fetch(OUTCOMES)}
    untold = asked.get("record_outcome", 0) - len(outcomes)
    verdict.must_be("outcomes that the ERP was not told", untold)
