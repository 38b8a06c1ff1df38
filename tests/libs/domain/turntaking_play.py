"""Plays a scene to the turn-taking engine, which is woken exactly when it asks to be."""

from typing import TypeVar

from libs.domain.endpointing import Expects
from libs.domain.floor import DEFAULT, Action, AgentBegan, AgentEnded, Happening, Heard, Manners, Tick
from libs.domain.turntaking import Floor, step, wake_at

REMINDER = "Your invoice of fifty-two thousand rupees is open. When will you pay?"
STATEMENT = "We have sent the invoice to your office on Monday."
T = TypeVar("T")


def play(*happened: Happening, until: int = 0, manners: Manners = DEFAULT) -> list[tuple[int, Action]]:
    """What the engine does in a scene."""
    floor, done = Floor(), list[tuple[int, Action]]()
    pending = [*happened, *([Tick(until)] if until else [])]
    for each in pending:
        while (due := wake_at(floor, manners)) is not None and due < each.at:
            floor, actions = step(floor, Tick(due), manners)
            done += [(due, action) for action in actions]
        floor, actions = step(floor, each, manners)
        done += [(each.at, action) for action in actions]
    return done


def said(at: int, text: str, ended: int | None = None) -> Heard:
    """A final transcript."""
    return Heard(at, text, final=True, ended=ended)


def asks(*, ends: int, text: str = REMINDER, expects: Expects = "answer") -> list[Happening]:
    """We have asked a question."""
    return [AgentBegan(0, text, expects=expects), AgentEnded(ends)]


def of(done: list[tuple[int, Action]], kind: type[T]) -> list[tuple[int, T]]:
    return [(at, action) for at, action in done if isinstance(action, kind)]
