"""Given, when, then: a decision's specification as one sentence."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class Given(Generic[S]):
    """What has happened, folded; `when` asks for a decision on it."""

    def __init__(self, state: S, facts: Callable[[Any], Iterable[Any]]) -> None:
        self.state = state
        self._facts = facts

    def when(self, verb: Callable[..., Any], *args: Any, **named: Any) -> "Outcome[S]":
        """Call `verb(state, *args, **named)`. What it raises is kept for `then_refused`; any other `then` raises it."""
        try:
            return Outcome(self.state, list(self._facts(verb(self.state, *args, **named))), None)
        except Exception as refusal:  # whatever it is, a `then` below either expects it or raises it again
            return Outcome(self.state, [], refusal)


class Outcome(Generic[S]):
    """What was decided: new facts, or a refusal."""

    def __init__(self, before: S, decided: list[Any], refusal: Exception | None) -> None:
        self._before = before
        self._decided = decided
        self._refusal = refusal

    def then(self, *facts: Any) -> None:
        """Exactly these facts, in this order."""
        assert self.decided == list(facts), _difference(list(facts), self.decided)

    def then_nothing(self) -> None:
        """No fact at all, and no refusal."""
        assert self.decided == [], _difference([], self.decided)

    def then_refused(self, kind: type[Exception], saying: str = "") -> None:
        """A refusal of this kind, with these words in its message."""
        assert self._refusal is not None, f"expected {kind.__name__}, but it decided {self._decided}"
        if not isinstance(self._refusal, kind):
            raise self._refusal
        assert saying in str(self._refusal), f"expected a refusal saying {saying!r}, got {str(self._refusal)!r}"

    def then_that(self, holds: Callable[..., bool]) -> None:
        """Something about the facts: `holds(*facts)`."""
        assert holds(*self.decided), f"it decided {self.decided}"

    @property
    def decided(self) -> list[Any]:
        """The facts themselves. Raises the refusal, where there was one."""
        if self._refusal is not None:
            raise self._refusal
        return self._decided


def specification(
    initial: Callable[[], S],
    evolve: Callable[[S, Any], S],
    *,
    facts: Callable[[Any], Iterable[Any]] = tuple,
) -> Callable[..., Given[S]]:
    """The `given` of a family: `given(*facts).when(verb, ...).then(*facts)`.

    `facts` takes the facts out of what the verb answers, where that is not a sequence of them.
    """

    def given(*history: Any) -> Given[S]:
        state = initial()
        for fact in history:
            state = evolve(state, fact)
        return Given(state, facts)

    return given


def _difference(expected: list[Any], decided: list[Any]) -> str:
    lines = ["expected:", *(f"  {fact!r}" for fact in expected), "decided:", *(f"  {fact!r}" for fact in decided)]
    return "\n".join(lines)
