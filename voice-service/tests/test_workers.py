"""Calls over several processes: who is told to end finishes its calls, and who dies leaves them to a sibling."""

import asyncio
import signal
import time

from voice_house import House, WorkerProcess
from voice_world import published, until

from events.call import Answered, Dialled, Ended, TransferOver, TurnTaken
from events.phone import CallGuided, TransferRequested
from libs.testkit.nouns import PRIYA_PHONE

PATIENT = [
    {"on": "heard", "when": "kab tak", "do": [{"say": "Haan ji, main sun rahi hoon."}]},
    {"on": "heard", "do": [{"wait": 3.0, "say": "Theek hai, bye."}]},
]
LONG = "Namaste ji, main Asha bol rahi hoon, aapke invoice ke baare mein, jiska payment abhi baaki hai. Kab tak hoga?"
TALKS_ON = [{"on": "heard", "once": False, "do": [{"wait": 1.0, "say": "Haan ji, main sun rahi hoon."}]}]


def number(n: int) -> str:
    return f"+9198200100{n:02}"


async def ask(house: House, count: int, acts: list[dict[str, object]]):
    """Calls to so many contacts, once all are talked on; the intents by their numbers."""
    intents = {}
    for n in range(count):
        await house.voice.control(
            "PUT", f"/phones/{number(n)}", {"rings_seconds": 0.3, "acts": acts, "deaf": True, "hangs_up_after": 120}
        )
        intents[number(n)] = await house.voice.call(to=number(n), conversation=f"conversation-{n}", contact=f"c_{n}")
    await asyncio.gather(*(house.voice.until(intent, Answered) for intent in intents.values()))
    return intents


async def holder(house: House, call: object) -> WorkerProcess:
    """Who holds a call, once its media have come: the carrier may tell of the answer before."""

    async def who() -> list[WorkerProcess]:
        return [worker for worker in house.workers if str(call) in await house.holds(worker)]

    [found] = await until(who)
    return found


async def test_a_rollout_of_all_workers_cuts_no_call(house: House):
    first = await asyncio.gather(*(house.start(f"w{n}") for n in (1, 2)))
    intents = await ask(house, 4, PATIENT)
    last = {"rings_seconds": 2.0, "acts": PATIENT, "deaf": True, "hangs_up_after": 120}
    await house.voice.control("PUT", f"/phones/{number(9)}", last)
    intents[number(9)] = await house.voice.call(to=number(9), conversation="conversation-9", contact="c_9")
    await house.voice.until(intents[number(9)], Dialled)
    for worker in first:
        worker.signal(signal.SIGTERM)
    await house.start("w3")
    late = await house.voice.call(conversation="conversation-10", contact="c_10")
    assert await holder(house, intents[number(9)].id) in first, "what rang when they were told comes to them yet"
    for intent in intents.values():
        [ended] = await house.voice.until(intent, Ended)
        assert (ended.reason, ended.turns) == ("completed", 2)
    for worker in first:
        await house.gone(worker, seconds=20)
    await house.voice.until(late, Answered)
    assert (await holder(house, late.id)).name == "w3", "a draining worker dials nothing"


async def test_calls_that_die_with_their_process_are_ended_by_a_sibling_once(house: House):
    await asyncio.gather(*(house.start(f"w{n}") for n in (1, 2)))
    await house.voice.control("POST", "/exotel/faults", [{"copies": 3, "backwards": True}] * 4)
    intents = await ask(house, 4, TALKS_ON)
    calls = list(intents.values())
    await asyncio.gather(*(house.voice.until(intent, TurnTaken, 2) for intent in calls))
    victim = await holder(house, calls[0].id)
    dying = await house.holds(victim)
    for worker in house.workers:

        async def knows_all_calls(worker: WorkerProcess = worker) -> bool:
            return {each["call_id"] for each in await house.known(worker)} == {str(call.id) for call in calls}

        await until(knows_all_calls)

    async def used() -> bool:
        found: int = await house.voice.store.pool.fetchval(
            "SELECT count(*) FROM voice.call WHERE held_by IS NOT NULL AND (used ->> 'turns')::int > 0"
        )
        return found == len(calls)

    await until(used)
    victim.signal(signal.SIGKILL)
    killed = time.monotonic()
    for intent in calls:
        if str(intent.id) in dying:
            [ended] = await house.voice.until(intent, Ended)
            assert ended.reason == "failed"
            assert ended.seconds > 0
            assert ended.turns > 0
            assert ended.costs["telephony"].micros == 800_000
    assert time.monotonic() - killed < 30

    async def told() -> bool:
        """Exotel, too, has ended what died, and told it thrice."""
        shown = await house.voice.control("GET", "/exotel/callbacks")
        ends = [each for each in shown if each["fields"]["EventType"] == "terminal"]
        return len(ends) == 3 * len(dying) and all(each["over"] for each in ends)

    await until(told, seconds=20)
    for to, intent in intents.items():
        assert len(await house.voice.placed(to)) == 1, "nothing is dialled twice"
        ends = await house.voice.told(intent, Ended)
        assert [each.reason for each in ends] == (["failed"] if str(intent.id) in dying else [])


async def test_who_is_told_to_end_finishes_what_it_is_in_the_middle_of(house: House):
    """Dialling, the opening, and handing over to a person: the rest of the hand-over is told to whoever lives."""
    voice, person = house.voice, "+918047000001"
    ends = await house.start("w1")
    voice.origin = ends.origin
    await published(voice.store, voice.clock, f"voice:\n  transfer: {{numbers: ['{person}'], ring_seconds: 6}}\n")
    talks = [{"on": "answered", "do": [{"wait": 0.5, "say": "Hello, Priya ji."}, {"wait": 0.5, "hang_up": True}]}]
    await voice.control("PUT", f"/phones/{person}", {"rings_seconds": 1.5, "acts": talks, "deaf": True})
    wants = [{"on": "heard", "when": "madad", "do": [{"say": "Manager se baat karao!"}]}]
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"calling": wants, "deaf": True})
    _, came = await voice.calls_us()
    await voice.takes(came)
    await voice.until(came, TurnTaken)
    for n, last in ((1, "tak hoga"), (2, "namaste")):
        bye = [{"on": "heard", "when": last, "do": [{"say": "Theek hai, bye."}]}]
        await voice.control("PUT", f"/phones/{number(n)}", {"rings_seconds": 0.3, "acts": bye, "deaf": True})
    opening = await voice.call(to=number(1), conversation="conversation-1a", contact="c_1", opening=LONG)
    await voice.until(opening, Answered)
    await voice.control("POST", "/exotel/faults", {"to": number(2), "answer": "hung", "seconds": 1.0})
    dialling = await voice.call(to=number(2), conversation="conversation-2a", contact="c_2", opening="Namaste.")

    async def is_placed() -> bool:
        return bool(await voice.placed(number(2)))

    await until(is_placed)
    await voice.happens(TransferRequested(call=came.subject_id, reason="wants a manager", whisper="Call from Priya."))
    await voice.happens(CallGuided(call=came.subject_id, instructions="Say nothing more."))
    await voice.until(came, Ended)
    ends.signal(signal.SIGTERM)
    voice.origin = (await house.start("w2")).origin
    await voice.flow()
    for intent in (opening, dialling):
        [ended] = await voice.until(intent, Ended)
        assert (ended.reason, ended.turns) == ("completed", 1)
    first, *_ = await voice.told(opening, TurnTaken)
    assert (first.agent, first.interrupted) == (LONG, False), "the opening was heard to its end"
    [over] = await voice.until(came, TransferOver, seconds=60)
    assert over.outcome == "talked"
    await house.gone(ends, seconds=20)
