"""What every carrier keeps: Exotel, by its emulator, and a SIP trunk, by sipp and a gateway to the same people's phones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sip_peers import gateway, needs_sipp, needs_stack, sipp
from voice_house import sandbox_urls
from voice_running import running
from voice_world import Voice, until

from events.base import Recorded
from events.call import Answered, CallRequested, Dialled, DigitsPressed, Ended, Rejected, Ringing, ToolCalled, TurnTaken
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer
from libs.kit.store import Store
from libs.testkit.servers import MASTER, database_of
from voice_service.settings import SIP

pytestmark = pytest.mark.asyncio(loop_scope="module")

TALKS_ON = [{"on": "heard", "once": False, "do": [{"wait": 1.0, "say": "Haan ji, main sun rahi hoon."}]}]
RINGS_S = 2
STOPS_S = 2.5
"""Within so long who is interrupted is heard no more: words have to be recognised first, on a busy machine."""
_FORGOTTEN = """UPDATE voice.call SET state = 'dialled', held_by = NULL, dialled_by = NULL, polled_at = NULL
WHERE call = $1 AND state = 'over' RETURNING true"""
_ASKED = "SELECT polled_at IS NOT NULL FROM voice.call WHERE call = $1"


@dataclass
class Line:
    """The service on one carrier, and those who are called over it: each test has a number of its own."""

    name: str
    voice: Voice
    urls: dict[str, str]
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def calls(self, number: str | None = None, **phone: Any) -> Recorded[CallRequested]:
        """Somebody new is called; their `phone` does as it says."""
        number = number or self.number()
        if phone:
            told = {"rings_seconds": 0.2, "deaf": True, "hangs_up_after": 20, **phone}
            await self.voice.control("PUT", f"/phones/{number}", told)
        which = number[-4:]
        return await self.voice.call(to=number, conversation=f"conversation-{which}", contact=f"c_{which}")

    def number(self) -> str:
        return f"+91982002{next(self._numbers):04}"

    @asynccontextmanager
    async def network(self, scenario: str, **fault: Any) -> AsyncIterator[str]:
        """What the network does with the next call, which is made to the number: sipp's scenario, or a fault of Exotel's."""
        number = self.number()
        if self.name != SIP:
            await self.voice.control("POST", "/exotel/faults", {"to": number, **fault})
            yield number
            return
        usual = self.urls[SIP]
        async with sipp(scenario) as address:
            self.urls[SIP] = address
            try:
                yield number
            finally:
                self.urls[SIP] = usual

    async def facts(self, intent: Recorded[Any]) -> list[str]:
        """The kinds of facts about a call, in order."""
        return [type(event).__name__ for event in await self.voice.told(intent, object)]

    async def seen(self, intent: Recorded[CallRequested]) -> dict[str, Any]:
        """The call as the contact's phone knows it."""
        [placed] = await self.voice.placed(intent.event.to)
        over: dict[str, Any] = await self.voice.control("GET", f"/exotel/calls/{placed['sid']}/over")
        return over


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["exotel", pytest.param(SIP, marks=(needs_sipp, needs_stack))]
)
async def line(
    request: pytest.FixtureRequest,
    sandbox: str,
    postgres_url: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Line]:
    name: str = request.param
    folder: Path = tmp_path_factory.mktemp(name)
    urls = sandbox_urls(sandbox)
    channel = "provider: exotel"
    async with AsyncExitStack() as stack:
        if name == SIP:
            urls[SIP] = await stack.enter_async_context(gateway(sandbox))
            channel = "provider: sip, trunk_host: 127.0.0.1"
        database = await stack.enter_async_context(database_of(postgres_url, migrated_template))
        store = await stack.enter_async_context(Store.open(database, master=MASTER))
        own = await stack.enter_async_context(Store.open(database, master=MASTER, role="converse_voice"))
        clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
        nats = await stack.enter_async_context(NatsServer())
        service = running(
            sandbox,
            urls,
            store=store,
            own=own,
            clock=clock,
            database=database,
            nats=nats.url,
            folder=folder,
            line=channel,
            ring_seconds=RINGS_S,
        )
        yield Line(name, await stack.enter_async_context(service), urls)


async def test_who_answers_is_talked_with_and_both_sides_are_heard(line: Line):
    acts = [
        {"on": "heard", "when": "kab tak", "do": [{"say": "Haan ji, 20 February tak kar denge."}]},
        {"on": "heard", "when": "kar denge", "do": [{"say": "Theek hai, bye."}]},
    ]
    intent = await line.calls(acts=acts)
    [ended] = await line.voice.until(intent, Ended, seconds=60)
    opening, *taken = await line.voice.told(intent, TurnTaken)
    assert (ended.reason, ended.turns) == ("completed", len(taken))
    [promise] = [each for each in taken if "February" in each.contact]
    goodbye = taken[-1]
    assert (opening.contact, opening.agent) == ("", intent.event.opening)
    assert promise.contact == "Haan ji, 20 February tak kar denge."
    assert "20 February 2026" in promise.agent
    assert set(promise.latency_ms) == {"stt", "decision", "llm", "tts", "transport", "total"}
    assert goodbye.agent.endswith("namaste.")
    assert [each.tool for each in await line.voice.told(intent, ToolCalled)] == ["report_intent", "end_call"]
    [dialled] = await line.voice.told(intent, Dialled)
    assert dialled.provider == line.name
    [telephony] = [each for each in ended.consumed if each.component == "telephony"]
    assert (telephony.provider, telephony.quantity) == (line.name, 1), "one pulse of a minute"
    assert ended.costs["telephony"].micros == (500_000 if line.name == SIP else 800_000)
    assert {each.component for each in ended.consumed} == {"telephony", "stt", "tts", "llm"}
    assert sum(ended.waits["total"].values()) == len(taken), "each answer in its bucket"
    assert len(await line.voice.told(intent, Ringing)) == len(await line.voice.told(intent, Answered)) == 1
    seen = await line.seen(intent)
    assert seen["disconnected_by"] == "bot", "we hung up"
    assert seen["problems"] == [], "the line liked every chunk"
    understood = " ".join(seen["heard"])
    assert "kab tak" in understood
    assert "note kar liya hai" in understood


async def test_who_interrupts_is_let_speak_and_what_they_did_not_hear_does_not_count(line: Line):
    barge_in = {"on": "speaking", "when": "invoice", "do": [{"say": "Ek minute, payment ho gaya hai."}]}
    hangs_up = {"on": "heard", "when": "note kar liya", "do": [{"wait": 0.5, "hang_up": True}]}
    intent = await line.calls(acts=[barge_in, hangs_up])
    await line.voice.until(intent, Ended, seconds=60)
    opening, *_ = await line.voice.told(intent, TurnTaken)
    assert opening.interrupted
    assert opening.agent.startswith("Namaste Priya ji")
    assert len(opening.agent) < len(intent.event.opening), "as it was written, and spoken where it was cut off"
    moments = (await line.seen(intent))["moments"]
    ours = next(each for each in moments if each["who"] == "agent")
    theirs = next(each for each in moments if each["who"] == "contact")
    assert ours["at"] < theirs["at"] < ours["end"] < theirs["at"] + STOPS_S


async def test_a_contact_who_hangs_up_has_ended_the_call(line: Line):
    intent = await line.calls(acts=[{"on": "answered", "do": [{"wait": 0.5, "hang_up": True}]}])
    [ended] = await line.voice.until(intent, Ended)
    assert ended.reason == "contact_hung_up"
    assert (await line.seen(intent))["disconnected_by"] == "user"


async def test_keys_that_are_pressed_come_in_order(line: Line):
    presses = {"on": "answered", "do": [{"wait": 1.0, "press": "4077#"}, {"wait": 3.0, "hang_up": True}]}
    intent = await line.calls(acts=[presses])
    await line.voice.until(intent, Ended)
    assert "".join(each.digits for each in await line.voice.told(intent, DigitsPressed)) == "4077#"


async def test_who_does_not_answer_in_time_is_left_alone(line: Line):
    async with line.network("rings", ends="no-answer") as number:
        intent = await line.calls(number)
        await line.voice.until(intent, Ringing)
        [ended] = await line.voice.until(intent, Ended, seconds=RINGS_S + 8)
    assert (ended.reason, ended.seconds) == ("no_answer", 0)
    assert len(await line.voice.told(intent, Ringing)) == 1
    assert await line.voice.told(intent, Answered) == []


async def test_who_is_busy_is_known_to_be(line: Line):
    intent = await line.calls(fate="busy")
    [ended] = await line.voice.until(intent, Ended)
    assert (ended.reason, ended.seconds) == ("busy", 0)
    assert await line.voice.told(intent, Answered) == []


async def test_a_call_that_the_network_refuses_has_rung_nowhere(line: Line):
    async with line.network("nobody", refuse="403:40001") as number:
        intent = await line.calls(number)
        [rejected] = await line.voice.until(intent, Rejected)
    assert rejected.scope == ("contact" if line.name == SIP else "account")
    assert {"Ringing", "Answered", "Ended"}.isdisjoint(await line.facts(intent))


async def test_what_is_told_again_and_late_changes_nothing(line: Line):
    intent = await line.calls(acts=[{"on": "answered", "do": [{"wait": 0.5, "hang_up": True}]}])
    await line.voice.until(intent, Ended)
    pool = line.voice.store.pool
    await until(lambda: pool.fetchval(_FORGOTTEN, intent.id))
    before = await line.facts(intent)
    await until(lambda: pool.fetchval(_ASKED, intent.id))
    marker = await line.calls(fate="busy")
    await line.voice.until(marker, Ended)
    assert await line.facts(intent) == before


async def test_calls_at_the_same_time_do_not_hear_each_other(line: Line):
    says = ("Haan ji, 20 February tak kar denge.", "Maine kal payment bhej diya.")
    each = [[{"on": "heard", "do": [{"say": text}, {"wait": 3.0, "hang_up": True}]}] for text in says]
    intents = [await line.calls(acts=acts) for acts in each]
    await asyncio.gather(*(line.voice.until(intent, Ended, seconds=60) for intent in intents))
    for intent, text in zip(intents, says, strict=True):
        heard = {word for turn in await line.voice.told(intent, TurnTaken) for word in turn.contact.split()}
        assert heard
        assert heard <= set(text.split())
