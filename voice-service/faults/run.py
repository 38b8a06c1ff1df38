"""Calls with faults, a few at once: who calls, what they say, and what became of each."""

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from events.base import Recorded
from events.call import CallRequested, Ended, ProviderSwitched, TurnTaken
from faults.kinds import PATHS, Kind
from libs.domain import numerals

MONTHS = ("February", "March")
"""Enough dates that no two calls at a time name the same."""
OPENING = "Namaste, invoice ka payment kab tak hoga?"
BYE = "Theek hai, bye."
YEAR = numerals.year(2026, "hi-Latn")
PATIENCE_S = 1.2
APART_S = 0.25
"""Between two calls that begin."""
LONGEST_S = 90


class World(Protocol):
    """The running service and its emulators."""

    async def call(self, **changed: Any) -> Recorded[CallRequested]:
        """A call is wanted."""

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A control of the emulators."""

    async def told(self, intent: Recorded[Any], kind: Any) -> list[Any]:
        """The facts of a kind about a call."""

    async def until(self, intent: Recorded[Any], kind: Any) -> list[Any]:
        """The same, once there is one."""


@dataclass(slots=True)
class Outcome:
    """What became of one call. Silences are those that ended with the agent's sound, in seconds."""

    kind: str
    reason: str = "never ended"
    silences: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    switches: list[str] = field(default_factory=list)
    wrong: str = ""

    @property
    def longest(self) -> float:
        """The longest silence that ended with the agent's sound."""
        return max(self.silences, default=0.0)


async def run(world: World, kinds: Sequence[Kind], *, at_once: int, done: Callable[[Outcome], None]) -> list[Outcome]:
    """One call for each of `kinds`, `at_once` of them at a time."""
    await world.control("PUT", "/anthropic/pace", {"claude": {"first_token_ms": 180, "per_token_ms": 10}})
    room = asyncio.Semaphore(at_once)
    dates = itertools.cycle((day, month) for month in MONTHS for day in range(1, 29))

    async def one(number: int, kind: Kind, date: tuple[int, str]) -> Outcome:
        async with room:
            found = Outcome(kind.name)
            try:
                async with asyncio.timeout(LONGEST_S):
                    await _call(world, f"+9198{70_000_000 + number}", kind, date, found)
            except TimeoutError:
                found.wrong = f"still going on after {LONGEST_S} s"
            done(found)
            return found

    tasks = []
    for number, kind in enumerate(kinds):
        tasks.append(asyncio.create_task(one(number, kind, next(dates))))
        await asyncio.sleep(APART_S)
    return await asyncio.gather(*tasks)


async def _call(world: World, number: str, kind: Kind, date: tuple[int, str], found: Outcome) -> None:
    day, month = date
    promise = f"Haan ji, {day} {month} tak kar denge."
    acts = [
        {"on": "heard", "do": [{"say": promise}]},
        {"on": "heard", "when": rf"\b{month} {YEAR}", "do": [{"say": BYE}]},
        {"on": "silence", "after_seconds": 4, "do": [{"say": BYE}]},
    ]
    phone = {"rings_seconds": 0.5, "acts": acts, "deaf": True, "patience_seconds": PATIENCE_S}
    await world.control("PUT", f"/phones/{number}", phone)
    in_words = f"{_spoken(day)} {month}"  # as our voice says it; the contact says figures
    when = {"llm": f"ji, {day} {month} tak", "stt": rf"\b{day} {month}\b"}.get(kind.where, rf"\b{in_words}\b")
    for path in PATHS[kind.where]:
        await world.control("POST", path, {**kind.fault, "when": when})
    who = number.removeprefix("+")  # a contact is talked with on one line at a time
    intent = await world.call(
        to=number, opening=OPENING, channels=[], contact=f"c_{who}", conversation=f"conversation-{who}"
    )
    placed: list[dict[str, Any]] = []
    while not placed:
        await asyncio.sleep(0.2)
        placed = await world.control("GET", f"/exotel/calls?to=%2B{number[1:]}")
    call = await world.control("GET", f"/exotel/calls/{placed[0]['sid']}/over")
    [ended] = await world.until(intent, Ended)
    turns: list[TurnTaken] = await world.told(intent, TurnTaken)
    found.reason = ended.reason
    found.switches = [f"{each.component} {each.reason}" for each in await world.told(intent, ProviderSwitched)]
    found.silences = silences(call["moments"])
    found.wrong = "; ".join(call["problems"])
    said = [_plain(turn.contact) for turn in turns if turn.contact]
    for each in (promise, BYE):
        times = said.count(_plain(each))
        if times != 1:
            (found.doubled if times else found.lost).append(f"{each} told {times} times: {said}")
    told = " ".join(turn.agent for turn in turns)
    for who, words, named in (
        ("the contact", " ".join(call["heard"]), f"{in_words} {YEAR}"),
        ("the log", told, f"{day} {month} 2026"),
    ):
        if (times := len(re.findall(rf"\b{named}", words))) > 1:
            found.doubled.append(f"{who} heard the date {times} times: {words}")
    if f"{day} {month} 2026" not in told:
        found.lost.append(f"the date was not answered: {told}")


def silences(moments: Sequence[dict[str, Any]]) -> list[float]:
    """How long nobody spoke before each time that the agent did."""
    spoken = sorted((each for each in moments if each["who"] != "line"), key=lambda each: each["at"])
    found, last = [], 0.0
    for each in spoken:
        if each["who"] == "agent":
            found.append(round(max(0.0, each["at"] - last), 2))
        last = max(last, each["end"] if each["end"] is not None else each["at"])
    return found


def _spoken(day: int) -> str:
    return numerals.cardinal(day, "hi-Latn")


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
