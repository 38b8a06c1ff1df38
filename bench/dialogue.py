"""One dialogue beside LangGraph: understand with a tool call, act, reply; turns a second on one core, and what the fiftieth turn costs.

Ours is the real orchestrator with its relay, log, ledger and JetStream in one process, as `converse up` has it; the tool is
answered by a reactor in the ERP's place, and a message counts as said once the gateway's reactor has heard that it was asked
for: no backend-sync, no gateway's ledger, no provider. LangGraph (bench/langgraph) has a graph of three nodes with its
Postgres or its in-memory checkpointer; its tool answers within the node. What each does beyond that is in BESIDES, which the
report prints. Both run on uvloop with the same rules for garbage and sync every commit to the same Postgres (JetStream's copy of ours is no
commit, docs/adr/0015). Claude in-process is a ready answer on both sides: neither builds a prompt nor checks the words. With
sched_setaffinity the measured process has the first core for itself, all its threads; Postgres, NATS and the emulated Messages
API (a fixed answer at once) share the last, for both sides.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import msgspec
import uvloop

from bench import messages
from bench.dialogue_bundle import MODEL, compiled
from bench.ingest import process
from bench.langgraph.environment import LANGGRAPH, langgraph
from bench.relay import MASTER, TENANT, say, show
from events.base import Cause, Draft, Recorded
from events.contact import Lookup
from events.conversation import MessageRequested
from events.errand import ToolRequested
from events.inbound import Received
from events.operator import FollowupTriggered
from libs.kit import garbage, ids, log
from libs.kit.buckets import Limits, configure
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.migrate import migrate
from libs.kit.reactor import Reactor
from libs.kit.relay import Relay
from libs.kit.store import Store
from libs.kit.world import Decision, World
from libs.llm.claude import Claude, OnReply
from libs.llm.turn import IntentFound, ModelCall, TurnRequest, TurnResult, Understanding, Usage
from libs.testkit.nouns import MORNING
from services.backend_sync import decide as erp
from services.cli.system import publish
from services.orchestrator import app as orchestrator
from services.orchestrator.settings import Settings

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

MODULE = "bench.dialogue"
CONVERSATIONS = 32
TURNS = 50
HTTP_TURNS = 20
EARLY, LATE = slice(1, 4), slice(TURNS - 3, TURNS)
"""Turns 2 to 4, and the last three: one turn alone is a matter of luck."""
SYNC, MEMORY, HTTP, GROWTH = 3.0, 1.0, 1.5, 1.3
BESIDES = (
    "ours also does: JetStream, an effect ledger, personal fields sealed, contact policy, index rows, 18 facts a turn kept for ever",
    "LangGraph also does: the whole state written at each of 5 steps, so that a thread can be read back at any of them",
)
WORDS = "Haan ji, 20 February tak kar denge"
REPLY = "Dhanyavaad! Maine 20 February likh liya hai."


async def run(report: Report) -> None:
    """Both sides in turn, once each: the ratios beside the bars."""
    python = langgraph()
    with _on_the_last_core() as first, tempfile.TemporaryDirectory(prefix="bench-dialogue-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        async with _servers(folder) as servers:
            where = {**servers, "core": first}
            ours = await _ours({**where, "turns": str(TURNS), "api": ""})
            durable = await _theirs(python, {**where, "turns": str(TURNS), "api": "", "saver": "postgres"})
            each = await _theirs(python, {**where, "turns": str(TURNS), "api": "", "saver": "each"})
            memory = await _theirs(python, {**where, "turns": str(TURNS), "api": "", "saver": "memory"})
            ours_http = await _ours({**where, "turns": str(HTTP_TURNS)})
            theirs_http = await _theirs(python, {**where, "turns": str(HTTP_TURNS), "saver": "postgres"})
    for line in BESIDES:
        print(f"  … {line}", file=sys.stderr, flush=True)
    _told(report, f"ours, {CONVERSATIONS} conversations of {TURNS} turns, one core", ours)
    _told(report, 'LangGraph, Postgres, durability="sync"', durable)
    _told(report, "… with a saver for each conversation", each)
    _told(report, "LangGraph, in memory", memory)
    _against(report, "ours against LangGraph in Postgres", _rate(ours) / _rate(durable), SYNC)
    report("… with a saver for each conversation, which no guide of theirs does", _rate(ours) / _rate(each), "×")
    _against(report, "ours against LangGraph in memory", _rate(ours) / _rate(memory), MEMORY)
    growth = _growth(ours)
    report("turn 50 against turn 2, ours", growth, "×", bar=f"≤ {GROWTH:.1f}", ok=growth <= GROWTH)
    report("… LangGraph in Postgres", _growth(durable), "×")
    report("… LangGraph in memory", _growth(memory), "×")
    _told(report, f"over HTTP, {HTTP_TURNS} turns, ours", ours_http)
    _told(report, "… LangGraph in Postgres", theirs_http)
    _against(report, "… ours against LangGraph", _rate(ours_http) / _rate(theirs_http), HTTP)


def _told(report: Report, name: str, side: "Side") -> None:
    """The rate, and how much of its core it took: what is left it waited for Postgres, NATS or Claude."""
    report(name, _rate(side), "turns/s")
    report("… of the core's time", side.cpu / sum(side.rounds), "")


def _against(report: Report, name: str, ratio: float, bar: float) -> None:
    report(name, ratio, "×", bar=f"≥ {bar:.1f}", ok=ratio >= bar)


class Side(msgspec.Struct):
    """The seconds that each round of all conversations took, and the processor time of the process in all of them."""

    rounds: list[float]
    cpu: float


def _rate(side: Side) -> float:
    """Turns a second."""
    return CONVERSATIONS * len(side.rounds) / sum(side.rounds)


def _growth(side: Side) -> float:
    return median(side.rounds[LATE]) / median(side.rounds[EARLY])


@asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Postgres, NATS and the Messages API on the last core."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(PostgresServer(folder / "postgres"))
        nats = await stack.enter_async_context(NatsServer(folder / "nats"))
        await migrate(postgres.url)
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("CREATE DATABASE langgraph")
        await connection.close()
        api = await stack.enter_async_context(process("api", {}, MODULE))
        assert api.stdout
        port = int(await api.stdout.readline())
        theirs = postgres.url.rpartition("/")[0] + "/langgraph"
        yield {"postgres": postgres.url, "nats": nats.url, "theirs": theirs, "api": f"http://127.0.0.1:{port}"}


@contextmanager
def _on_the_last_core() -> Iterator[str]:
    """What is started inside runs on the last core, with all its threads; the first one is free (empty: it cannot be told)."""
    if not hasattr(os, "sched_setaffinity"):  # Linux only
        yield ""
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield str(min(cores))
    finally:
        os.sched_setaffinity(0, cores)


def pinned(pid: int, core: str) -> None:
    """Bind a process that has just begun to a core."""
    if core:
        os.sched_setaffinity(pid, {int(core)})


async def _ours(where: Mapping[str, str]) -> Side:
    async with process("ours", dict(where), MODULE) as ours:
        return await _side(ours)


async def _theirs(python: Path, where: Mapping[str, str]) -> Side:
    asked = {**where, "conversations": CONVERSATIONS, "words": WORDS, "reply": REPLY, "model": MODEL}
    theirs = await asyncio.create_subprocess_exec(
        python, LANGGRAPH / "dialogue.py", json.dumps(asked), stdout=asyncio.subprocess.PIPE
    )
    pinned(theirs.pid, where["core"])
    try:
        return await _side(theirs)
    finally:
        await theirs.wait()


async def _side(child: asyncio.subprocess.Process) -> Side:
    assert child.stdout
    line = await child.stdout.readline()
    if not line:
        raise RuntimeError("a side of the dialogue ended without a word; its error stands above")
    return msgspec.json.decode(line, type=Side)


class InProcess(Claude):
    """Claude answers at once: what was said is understood, or a reply is written."""

    def __init__(self) -> None:
        pass

    async def settle(self, request: TurnRequest, *, on_reply: OnReply | None = None) -> TurnResult:
        understanding = Understanding(
            intents=(IntentFound("promise_to_pay", "high", WORDS),),
            facts=(),
            language="hi-Latn",
            sentiment="neutral",
            opt_out=False,
            opt_out_words=None,
            dropped=(),
        )
        call = ModelCall(
            model=MODEL, usage=Usage(), stop_reason="tool_use", request_id=None, first_token_ms=0, total_ms=0
        )
        return TurnResult(
            understanding=understanding if request.wants != "draft" else None,
            reply=REPLY if request.wants != "understand" else None,
            reply_language="hi-Latn" if request.wants != "understand" else None,
            calls=(call,),
        )

    async def close(self) -> None:
        pass


class Dialogue:
    """Contacts who say the same again and again, each as soon as everybody has been answered."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._answered: dict[str, asyncio.Future[None]] = {}

    async def hear(self, fact: Recorded[MessageRequested], world: World) -> Decision | None:
        """In the gateways' place: a message was asked for."""
        self.answered(fact.event.to)
        return None

    def answered(self, phone: str) -> None:
        """A message is there for whoever has this phone."""
        waiting = self._answered.pop(phone, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def answer(self, fact: Recorded[ToolRequested], world: World) -> Decision | None:
        """In the ERP's place: the promise is recorded."""
        answered = erp.Answered(200, {"promise_id": "P-1"})
        return Decision([erp.completed(fact, "tool", fact.event.endpoint, answered)])

    async def begin(self, number: int) -> None:
        """A contact is known, a follow-up asked for, and the first message there."""
        contact, phone = f"c_{number}", phone_of(number)
        channels = [{"channel": "whatsapp", "address": phone}]
        contact_id, profile = erp.profile_of({"id": contact, "name": "Priya", "channels": channels})
        digest = (await self._store.keyring.lookup(TENANT, "whatsapp", phone)).hex()
        await self._append(
            erp.about_contact(
                contact_id,
                erp.contact_fact(contact_id, profile, [Lookup(channel="whatsapp", digest=digest)], known=False),
            )
        )
        followup = str(ids.fresh())
        asked = FollowupTriggered(
            followup=followup,
            contact_id=contact,
            fingerprint=followup,
            reason="promise",
            channel_priority=["whatsapp"],
            process_type="talk",
            entity_type="invoice",
            entity_id=f"INV-{number}",
            flow="hello",
        )
        first = self._waits(phone)
        await self._append(Draft(f"operator-{followup}", asked))
        await first

    async def turn(self, number: int) -> None:
        """The contact says something, and is answered."""
        phone = phone_of(number)
        digest = (await self._store.keyring.lookup(TENANT, "whatsapp", phone)).hex()
        said = ids.fresh()
        answered = self._waits(phone)
        received = Received(
            channel="whatsapp", account="1", digest=digest, sender=phone, text=WORDS, provider_ref=f"wamid.{said}"
        )
        await self._append(Draft(f"inbound-whatsapp-{said}", received))
        await answered

    def _waits(self, phone: str) -> asyncio.Future[None]:
        self._answered[phone] = asyncio.get_running_loop().create_future()
        return self._answered[phone]

    async def _append(self, draft: Draft) -> None:
        cause_id = ids.fresh()
        cause = Cause(correlation_id=cause_id, occurred_at=self._clock.now(), source="bench", id=cause_id)
        await self._store.append_any(TENANT, draft.stream, [draft], cause)


def phone_of(number: int) -> str:
    """The phone of a contact of the dialogue."""
    return f"+9198{number:08}"


async def ours(where: dict[str, str]) -> None:
    """Everything of ours that a turn needs, in this one process."""
    pinned(0, where["core"])
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(where["postgres"], master=MASTER, name="bench"))
        clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
        await clock.set(MORNING)
        await publish(store, clock, compiled())
        unlimited = Limits(
            rate=1e6, burst=1e6, concurrency=CONVERSATIONS
        )  # as if Anthropic allowed any number of calls
        await configure(store.pool, "orchestrator", TENANT, "anthropic", unlimited)
        bus = await Bus.connect(where["nats"], name="orchestrator")
        stack.push_async_callback(bus.close)
        settings = Settings(profile="development", sandbox_url=where["api"] or None)
        client = InProcess() if not where["api"] else None
        app = await orchestrator.build(settings, store=store, bus=bus, clock=clock, client=client)
        talk = Dialogue(store, clock)
        outside = Reactor(
            "gateways",
            0,
            {MessageRequested: talk.hear, ToolRequested: talk.answer},
            store=store,
            bus=bus,
            clock=clock,
            own_families=frozenset({"backend"}),
        )
        relay = Relay(0, url=where["postgres"], bus=bus, clock=clock)
        loops = [asyncio.ensure_future(run()) for run in (*(each.run for each in app.loops), relay.run, outside.run)]
        await stack.enter_async_context(garbage.collected_seldom())
        first = int(ids.fresh().hex[-6:], 16)  # the log may hold an earlier run
        people = range(first, first + CONVERSATIONS)
        await asyncio.gather(*map(talk.begin, people))
        rounds, cpu = [], time.process_time()
        for _ in range(int(where["turns"])):
            began = time.perf_counter()
            await asyncio.gather(*map(talk.turn, people))
            rounds.append(time.perf_counter() - began)
        say(json.dumps({"rounds": rounds, "cpu": time.process_time() - cpu}))
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def api(where: dict[str, Any]) -> None:
    """The Messages API for both sides."""
    await messages.serve(WORDS, REPLY, lambda port: say(str(port)))


def main(role: str, where: dict[str, str]) -> None:
    """One of the processes above."""
    log.configure(level="error")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run({"ours": ours, "api": api}[role](where))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        log.configure("console", "error")
        uvloop.run(run(show))
    else:
        main(sys.argv[1], json.loads(sys.argv[2]))
