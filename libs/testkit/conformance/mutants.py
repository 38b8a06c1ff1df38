"""Shows that the channel suite can fail: each of its scripts, run against an adapter with one handling removed, must notice.

Use it beside the suite, with the same rig:

    class TestSms(ChannelConformance):
        features = Features(...)
        @pytest.fixture
        def rig(self, ...) -> Rig: ...

    class TestSmsMutants(MutationConformance):
        suite = TestSms
        mutants = (*MUTANTS, Mutant("...", lambda rig, patch: ..., caught_by=("two_messages_are_two_messages",)))
        @pytest.fixture
        def rig(self, ...) -> Rig: ...        # the same as the suite's

`MUTANTS` change what any rig does from outside (its outcomes, what it reads, its trust), so they fit every channel as they
are. A mutant of one channel may take real code away instead: `patch` is pytest's monkeypatch, and is undone after the test.
`caught_by` names the scripts that must notice (a test without `test_`; with `[parameter]` for one of several, without for
all of them); each is run alone on a rig of its own. A script that no mutant breaks fails `test_every_script_has_a_mutant`;
one whose trouble the channel `lacks` is skipped like in the suite. A mutant is seen by waiting for what it keeps away, so
these run in `make prove-guards` and not in `make test`.
"""

import inspect
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from libs.channels.outcome import Accepted, Outcome, Refused, Retry, Unknown
from libs.testkit.conformance import channel
from libs.testkit.conformance.channel import ChannelConformance, Ear, Heard, Rig, Told, open_window

PATIENCE_S = 2.0
"""How long a script waits for what a mutant keeps from it."""

Break = Callable[[Rig, pytest.MonkeyPatch], Rig]


@dataclass(frozen=True, slots=True)
class Mutant:
    """An adapter with one handling removed, and the scripts that must notice it."""

    removes: str
    breaks: Break
    caught_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """One test of the suite, with its parameters."""

    test: str
    params: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Its sentence, with `[parameter]`."""
        return self.sentence + (f"[{self.params[0][1]!s:.20}]" if self.params else "")

    @property
    def sentence(self) -> str:
        return self.test.removeprefix("test_")

    async def run(self, suite: ChannelConformance, rig: Rig) -> None:
        """Run it as pytest would."""
        function = getattr(suite, self.test)
        ear = Ear(rig)
        if any(mark.name == "usefixtures" and "window" in mark.args for mark in _marks(function)):
            await open_window(rig, ear)
        wanted = inspect.signature(function).parameters
        given = {"rig": rig, "ear": ear, **dict(self.params)}
        await function(**{name: value for name, value in given.items() if name in wanted})


def scripts_of(suite: type[ChannelConformance]) -> Iterator[Script]:
    """Every script of the suite."""
    for name, function in inspect.getmembers(suite, inspect.isfunction):
        if not name.startswith("test_"):
            continue
        marks = [mark for mark in _marks(function) if mark.name == "parametrize"]
        if not marks:
            yield Script(name)
        for mark in marks:
            names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
            for values in mark.args[1]:
                yield Script(name, tuple(zip(names, values if len(names) > 1 else [values], strict=True)))


@pytest.mark.mutants
class MutationConformance:
    """Inherit, name the `suite`, give the same fixture `rig`; see above."""

    suite: type[ChannelConformance]
    mutants: tuple[Mutant, ...]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "mutant" in metafunc.fixturenames:
            scripts = list(scripts_of(self.suite))
            known = {name for script in scripts for name in (script.name, script.sentence)}
            unknown = {name for mutant in self.mutants for name in mutant.caught_by} - known
            assert not unknown, f"the suite has no script {min(unknown)!r}"
            pairs = [
                pytest.param(mutant, script, id=f"{mutant.removes}: {script.name}")
                for mutant in self.mutants
                for script in scripts
                if script.name in mutant.caught_by or script.sentence in mutant.caught_by
            ]
            metafunc.parametrize(("mutant", "script"), pairs)

    async def test_what_is_removed_is_noticed(
        self, mutant: Mutant, script: Script, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(channel, "PATIENCE_S", PATIENCE_S)
        broken = mutant.breaks(rig, monkeypatch)
        try:
            await script.run(self.suite(), broken)
        except (AssertionError, TimeoutError, pytest.fail.Exception, rig.malformed):
            return
        pytest.fail(f"{script.name} did not notice that the adapter has lost {mutant.removes}")

    def test_every_script_has_a_mutant(self) -> None:
        broken = {name for mutant in self.mutants for name in mutant.caught_by}
        whole = [script.name for script in scripts_of(self.suite) if not {script.name, script.sentence} & broken]
        assert whole == []


class _Changed:
    """A rig of which some methods are others."""

    def __init__(self, rig: Rig, **instead: Any) -> None:
        self._rig = rig
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        return self._instead[name] if name in self._instead else getattr(self._rig, name)


def changed(rig: Rig, **instead: Any) -> Rig:
    """The rig with some of its methods replaced."""
    return cast(Rig, _Changed(rig, **instead))


def sending(rig: Rig, change: Callable[[Outcome], Outcome]) -> Rig:
    """The rig with its outcomes changed."""

    async def send_text(text: str, *, reference: str) -> Outcome:
        return change(await rig.send_text(text, reference=reference))

    async def send_template(*, reference: str) -> Outcome:
        return change(await rig.send_template(reference=reference))

    return changed(rig, send_text=send_text, send_template=send_template)


def reading(rig: Rig, change: Callable[[Told | Heard], Told | Heard | None]) -> Rig:
    """The rig with what it reads changed; None drops it."""

    def read(raw: bytes) -> list[Told | Heard]:
        return [new for item in rig.read(raw) if (new := change(item)) is not None]

    return changed(rig, read=read)


def _marks(function: Any) -> list[pytest.Mark]:
    return list(getattr(function, "pytestmark", []))


def _hearing(change: Callable[[Heard], Heard | None]) -> Break:
    return lambda rig, _: reading(rig, lambda item: change(item) if isinstance(item, Heard) else item)


def _telling(change: Callable[[Told], Told | None]) -> Break:
    return lambda rig, _: reading(rig, lambda item: change(item) if isinstance(item, Told) else item)


def _outcomes(change: Callable[[Outcome], Outcome]) -> Break:
    return lambda rig, _: sending(rig, change)


def _accepts_everything(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    return sending(rig, lambda outcome: outcome if isinstance(outcome, Accepted) else Accepted("taken"))


def _sends_again(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    async def send_text(text: str, *, reference: str) -> Outcome:
        outcome = await rig.send_text(text, reference=reference)
        return await rig.send_text(text, reference=reference) if isinstance(outcome, Unknown) else outcome

    return changed(rig, send_text=send_text)


def _spoils_words(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    async def send_text(text: str, *, reference: str) -> Outcome:
        return await rig.send_text(text.encode("ascii", "replace").decode(), reference=reference)

    return changed(rig, send_text=send_text)


def _trusts_everybody(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    return changed(rig, verify=lambda raw, signature: True)


def _trusts_nobody(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    return changed(rig, verify=lambda raw, signature: False)


def _last_status_wins(rig: Rig, patch: pytest.MonkeyPatch) -> Rig:
    patch.setattr(channel, "advance", lambda current, incoming: incoming)
    return rig


def _takes_any_shape(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    def read(raw: bytes) -> list[Told | Heard]:
        try:
            return rig.read(raw)
        except rig.malformed:
            return []

    return changed(rig, read=read)


def _wants_strings(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    """As a reader whose ids are strings only: a webhook that has a number for one tells it nothing."""

    def read(raw: bytes) -> list[Told | Heard]:
        try:
            return [] if _numbers(json.loads(raw)) else rig.read(raw)
        except ValueError:
            return rig.read(raw)

    return changed(rig, read=read)


def _numbers(node: Any) -> bool:
    if isinstance(node, dict):
        return any(
            (isinstance(value, int) and not isinstance(value, bool) and _is_id(key)) or _numbers(value)
            for key, value in node.items()
        )
    return isinstance(node, list) and any(map(_numbers, node))


def _is_id(key: str) -> bool:
    return key.lower().endswith(("id", "from", "to", "sid", "number"))


def _joins_the_newest(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    """As one that takes every status for one of the message that was sent last."""
    newest: list[str] = []

    async def send_text(text: str, *, reference: str) -> Outcome:
        outcome = await rig.send_text(text, reference=reference)
        if isinstance(outcome, Accepted):
            newest[:] = [outcome.provider_ref]
        return outcome

    def change(item: Told | Heard) -> Told | Heard:
        return replace(item, provider_ref=newest[0]) if isinstance(item, Told) and newest else item

    return changed(reading(rig, change), send_text=send_text)


def _counts_every_delivery(rig: Rig, _: pytest.MonkeyPatch) -> Rig:
    """As one that gives each webhook an id of its own instead of the provider's."""
    count = itertools.count()
    return reading(rig, lambda item: replace(item, id=f"{item.id} {next(count)}") if isinstance(item, Heard) else item)


def _gives_up_on_unknown(outcome: Outcome) -> Outcome:
    return Refused(0, outcome.reason, "message") if isinstance(outcome, Unknown) else outcome


def _no_retry(outcome: Outcome) -> Outcome:
    return Refused(0, outcome.reason, "message") if isinstance(outcome, Retry) else outcome


def _retries_refusals(outcome: Outcome) -> Outcome:
    return Retry(outcome.reason) if isinstance(outcome, Refused) else outcome


def _patient(outcome: Outcome) -> Outcome:
    return Retry(outcome.reason) if isinstance(outcome, Retry) else outcome


def _fears_unknown(outcome: Outcome) -> Outcome:
    return Retry(outcome.reason) if isinstance(outcome, Unknown) else outcome


_UNKNOWN = "what_may_have_been_sent_is_unknown_until_a_status_tells"
_NOT_SENT = "what_was_not_sent_is_said_so"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "the answer's meaning",
        _accepts_everything,
        (
            _NOT_SENT,
            "a_provider_that_fails_has_neither_accepted_nor_refused",
            "who_is_asked_to_wait_waits_as_long",
            _UNKNOWN,
        ),
    ),
    Mutant("retry", _outcomes(_no_retry), (f"{_NOT_SENT}[throttled]", f"{_NOT_SENT}[no_connection]")),
    Mutant("giving up", _outcomes(_retries_refusals), (f"{_NOT_SENT}[refused]",)),
    Mutant("the wait that was asked for", _outcomes(_patient), ("who_is_asked_to_wait_waits_as_long",)),
    Mutant("the unknown outcome, retried", _outcomes(_fears_unknown), (_UNKNOWN,)),
    Mutant("the unknown outcome, refused", _outcomes(_gives_up_on_unknown), (_UNKNOWN,)),
    Mutant("the unknown outcome, sent again", _sends_again, (_UNKNOWN,)),
    Mutant("the words that go out", _spoils_words, ("words_arrive_unharmed",)),
    Mutant(
        "the words that come in",
        _hearing(lambda heard: replace(heard, words=(heard.words or "").encode("ascii", "replace").decode())),
        ("what_the_contact_says_is_heard_unharmed",),
    ),
    Mutant("what contacts say", _hearing(lambda heard: None), ("what_the_contact_says_is_heard_unharmed",)),
    Mutant(
        "the provider's id of a message",
        _counts_every_delivery,
        ("a_webhook_that_comes_three_times_names_one_message",),
    ),
    Mutant(
        "the difference between messages",
        _hearing(lambda heard: replace(heard, id="one")),
        ("two_messages_are_two_messages",),
    ),
    Mutant(
        "the quote",
        _hearing(lambda heard: replace(heard, quoted=None)),
        ("an_answer_names_the_message_that_it_answers",),
    ),
    Mutant("the check of signatures", _trusts_everybody, ("only_the_providers_own_bytes_are_trusted",)),
    Mutant("the trust in signatures", _trusts_nobody, ("only_the_providers_own_bytes_are_trusted",)),
    Mutant("statuses", _telling(lambda told: None), ("a_message_is_accepted_and_its_way_is_told",)),
    Mutant(
        "failures after acceptance",
        _telling(lambda told: None if told.state == "failed" else told),
        ("a_message_may_fail_after_its_acceptance",),
    ),
    Mutant("the lattice of states", _last_status_wins, ("statuses_in_any_order_and_number_tell_the_same",)),
    Mutant("the message of a status", _joins_the_newest, ("statuses_that_come_late_are_those_of_their_own_message",)),
    Mutant("numbers for ids", _wants_strings, ("ids_may_be_numbers",)),
    Mutant(
        "the end of a message's way",
        _telling(lambda told: told if told.state == "sent" else None),
        ("a_message_is_accepted_and_its_way_is_told",),
    ),
    Mutant(
        "templates",
        lambda rig, _: changed(rig, send_template=lambda *, reference: rig.send_text("free", reference=reference)),
        ("outside_the_window_only_a_template_arrives",),
    ),
    Mutant(
        "the refusal of wrong shapes",
        _takes_any_shape,
        ("a_body_of_the_wrong_shape_is_refused_as_such",),
    ),
)
"""What every channel must not be able to do without."""
