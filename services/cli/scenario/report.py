"""The report of a run: a line a scenario, what differs with its transcript, and how much of the bundle was taken."""

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from events.base import Recorded
from events.conversation import (
    Closed,
    ContactSaid,
    DraftDropped,
    Escalated,
    MessageRequested,
    ProcessMoved,
    StepEntered,
    ToolAnswered,
    Understood,
)
from events.errand import ToolRequested, WritebackRequested
from events.followup import Cancelled, Deferred, Exhausted, Resolved
from events.turn import Completed
from libs.config.bundle import Bundle
from libs.config.scenario import Language
from services.cli.narrate import line
from services.cli.scenario.coverage import Covered, as_percent
from services.cli.scenario.judge import money
from services.cli.scenario.play import Played

TOLD = (
    ContactSaid,
    Understood,
    ProcessMoved,
    StepEntered,
    MessageRequested,
    DraftDropped,
    ToolRequested,
    ToolAnswered,
    WritebackRequested,
    Escalated,
    Deferred,
    Resolved,
    Exhausted,
    Cancelled,
    Closed,
)
LANGUAGES: dict[Language, str] = {"en": "English", "hinglish": "Hinglish", "hi": "Hindi"}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario in the report. `money`: minor units by currency; `seconds` of the machine's time."""

    name: str
    language: Language
    passed: bool
    differences: list[str]
    messages: int
    turns: int
    days: float
    seconds: float
    money: dict[str, float]


def result(played: Played, differences: Sequence[str], seconds: float) -> Result:
    """What the report says of a scenario."""
    facts = played.facts
    days = (facts[-1].envelope.occurred_at - facts[0].envelope.occurred_at).total_seconds() / 86_400 if facts else 0.0
    return Result(
        name=played.scenario.name,
        language=played.scenario.language,
        passed=not differences,
        differences=list(differences),
        messages=sum(isinstance(fact.event, MessageRequested) for fact in facts),
        turns=sum(isinstance(fact.event, Completed) for fact in facts),
        days=round(days, 2),
        seconds=round(seconds, 3),
        money={currency: round(amount, 3) for currency, amount in money(facts).items()},
    )


def tell(console: Console, told: Result) -> None:
    """The line of a scenario."""
    mark = ("✔", "green") if told.passed else ("✘", "bold red")
    figures = f"{LANGUAGES[told.language]}, {told.messages} messages, {told.turns} turns, {told.days:g} days, {told.seconds:.2f} s"
    console.print(Text.assemble(mark, f" {told.name:<58} ", (figures, "dim")), soft_wrap=True)


def explain(console: Console, played: Played, told: Result) -> None:
    """What differs, the first of it first, and what was said and done."""
    console.print()
    console.print(Text(f"{told.name}  ({played.scenario.file})", style="bold red"))
    console.print(Text(f"  {played.scenario.about}", style="dim"))
    for each in told.differences:
        console.print(Text(f"  ✘ {each}"), soft_wrap=True)
    console.print(Text("  what happened:", style="bold"))
    for row in transcript(played.facts, played.bundle):
        console.print(Text(f"    {row}"), soft_wrap=True)


def transcript(facts: Iterable[Recorded[Any]], bundle: Bundle) -> list[str]:
    """What was said and done, in business time, a line each."""
    zone = ZoneInfo(bundle.policy.timezone)
    return [
        f"{fact.envelope.occurred_at.astimezone(zone):%d %b %H:%M}  {type(fact.event).__name__:<18} {line(fact)}"
        for fact in facts
        if isinstance(fact.event, TOLD)
    ]


def count(console: Console, covered: Sequence[Covered]) -> None:
    """How much of each process was taken."""
    table = Table(title="coverage", title_justify="left")
    for column in ("process", "transitions", "steps of its flows"):
        table.add_column(column)
    for each in covered:
        table.add_row(each.process, as_percent(each.transitions), as_percent(each.steps))
    console.print(table)


def miss(console: Console, covered: Sequence[Covered]) -> None:
    """What no scenario takes."""
    for each in covered:
        for name in each.missing:
            console.print(Text(f"  not taken by {each.process}: {name}", style="yellow"), soft_wrap=True)


def sum_up(console: Console, results: Sequence[Result]) -> None:
    """How many passed, in which languages, and what it cost."""
    passed = sum(each.passed for each in results)
    by_language = ", ".join(
        f"{sum(each.language == language for each in results)} in {name}" for language, name in LANGUAGES.items()
    )
    spent: dict[str, float] = {}
    for each in results:
        for currency, amount in each.money.items():
            spent[currency] = spent.get(currency, 0.0) + amount
    cost = ", ".join(f"{amount / 100:.2f} {currency}" for currency, amount in spent.items())
    seconds = sum(each.seconds for each in results)
    style = "bold green" if passed == len(results) else "bold red"
    told = f"{passed} of {len(results)} scenarios passed ({by_language}); {seconds:.1f} s"
    console.print(Text(told + (f"; by the price list {cost}" if cost else ""), style=style), soft_wrap=True)
