"""Whatever the check finds right runs right: only declared states, one act a trigger, and the same after a restart."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings

from events import backend, turn
from events.base import Event, Intent, tag_of
from events.conversation import MessageRequested, ProcessMoved, TimerSet, TurnRequested
from events.errand import ToolRequested, WritebackRequested
from events.followup import Opened
from events.values import ToolChoice
from libs.config.bundle import Bundle
from libs.domain import conversation as talk
from libs.domain import statemap
from libs.domain.conversation import Conversation
from libs.domain.names import Names
from libs.domain.statemap import UpdateBackend
from libs.testkit.nouns import PRIYA
from services.orchestrator import decide, outcomes, turns
from services.orchestrator.outcomes import Became
from services.orchestrator.story import Door, Story
from tests.services.orchestrator.errand import ON_BOTH_CHANNELS
from tests.services.orchestrator.generated import bundles, happenings
from tests.services.orchestrator.scene import CONVERSATION, MATTER, Scene

THING = Opened(
    contact_id=PRIYA,
    reason="a thing",
    origin="rule",
    channel_priority=["whatsapp"],
    process_type="thing",
    entity_type="thing",
    entity_id="T-1",
    flow="f0",
    business_context={"thing": "T-1"},
)
OUTCOMES = ("turn", "failed", "message", "tool", "write")
"""What may be heard twice, and then leads to nothing more."""


class Course(Scene):
    """A matter in a generated bundle, to which things happen; each decision is looked at."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(ON_BOTH_CHANNELS, bundle)
        self.doors = {"whatsapp": Door("sandbox")}
        self.state_map = bundle.state_maps["thing"]
        self._fired: set[str] = set()
        self.held(self.opens(THING))

    def happens(self, what: dict[str, Any]) -> None:
        """Take up what happens, where it fits; then hear it a second time."""
        kind = self._awaited() if what["kind"] == "next" else what["kind"]
        verb = getattr(self, f"_{kind}")(what)
        if verb is None:
            return
        self.held(self.tells(verb))
        if kind in OUTCOMES:
            again = self.tells(verb)
            assert not [fact for fact in again if isinstance(fact, Intent | ProcessMoved)], again

    def _awaited(self) -> str:
        now = self.conversation
        if now.turn is not None:
            return "turn"
        if now.calls:
            return "tool"
        if any(each in now.awaited for each in now.messages):
            return "message"
        return (
            "write"
            if any(isinstance(fact, WritebackRequested) and fact.call in now.awaited for fact in self.told)
            else "says"
        )

    def held(self, told: list[Any]) -> None:
        """What must hold after each decision."""
        matter = self.conversation.matters[MATTER]
        assert matter.state in self.state_map.states
        moved = [fact for fact in told if isinstance(fact, ProcessMoved)]
        assert all(fact.from_state in self.state_map.states for fact in moved)
        ids = [
            str(getattr(fact, "message", None) or getattr(fact, "call", None))
            for fact in told
            if isinstance(fact, MessageRequested | ToolRequested | WritebackRequested)
        ]
        assert len(ids) == len(set(ids))
        written = [
            fact for fact in told if isinstance(fact, WritebackRequested) and fact.why == "action" and fact.step is None
        ]
        assert len(written) == sum(self._writes_of(fact) for fact in moved)
        assert self.refolded() == self.conversation

    def refolded(self) -> Conversation:
        """The conversation after a restart: out of the facts as they are stored."""
        state = Conversation()
        for event in self.told:
            if tag_of(type(event)).startswith("conversation."):
                state = talk.evolve(state, stored(event))
        return state

    def _writes_of(self, moved: ProcessMoved) -> int:
        """How many writes the transition that was taken asks for."""
        assert moved.transition is not None
        taken = self.state_map.transitions[moved.transition]
        assert (taken.to_state, moved.from_state in taken.from_states) == (moved.to_state, True)
        return sum(isinstance(action, UpdateBackend) for action in taken.actions)

    def _says(self, what: dict[str, Any]) -> Any:
        self.later(minutes=3)
        self.held(self.priya_says(f"hello {len(self.told)}"))

    def _turn(self, what: dict[str, Any]) -> Any:
        asked = self.conversation.turn
        if asked is None:
            return None
        requested = next(
            fact for fact in reversed(self.told) if isinstance(fact, TurnRequested) and fact.turn == asked.id
        )
        about: dict[str, Any] = {"draft": "Theek hai."}
        if requested.tools:
            tools = ({"tool": "look"}, {"tool": "nothing"}, {"tool": "finish", "inputs": {"reached": what["ok"]}})
            about = {"choice": ToolChoice(**tools[what["pick"] % 3])}
        elif requested.wants != "draft":
            known = {slot.name for slot in requested.slots}
            about |= {
                "intents": [intent for intent in what["intents"] if intent in requested.intents],
                "extracted_info": {"a": 1} if what["ok"] else {},
                "slots": {name: said for name, said in what["slots"].items() if name in known},
                "breaks_off": what["breaks_off"] and bool(known),
            }
        done = turn.Completed(conversation=CONVERSATION, model="m", **about)
        return lambda story: turns.after_turn(story, done, asked.id)

    def _failed(self, what: dict[str, Any]) -> Any:
        asked = self.conversation.turn
        if asked is None or what["pick"]:
            return None
        return lambda story: turns.after_failed_turn(story, asked.id, "Overloaded")

    def _message(self, what: dict[str, Any]) -> Any:
        sent = [each for each in self.conversation.messages if each in self.conversation.awaited]
        if not sent:
            return None
        outcome: Any = ("accepted", "accepted", "accepted", "failed", "unknown", "withheld")[what["pick"]]
        return lambda story: outcomes.after_message(story, sent[0], Became(outcome))

    def _tool(self, what: dict[str, Any]) -> Any:
        if not self.conversation.calls:
            return None
        call, asked = next(iter(self.conversation.calls.items()))
        answer = self._answer("tool", asked.endpoint, what)

        def heard(story: Story) -> None:
            if call in story.conversation.calls:  # as the handler looks
                decide.after_tool(story, call, asked, answer)

        return heard

    def _write(self, what: dict[str, Any]) -> Any:
        waits = [
            fact
            for fact in self.told
            if isinstance(fact, WritebackRequested) and fact.call in self.conversation.awaited
        ]
        if not waits:
            return None
        told = waits[0]
        answer = self._answer("write", told.endpoint, what)

        def heard(story: Story) -> None:
            if told.call in story.conversation.awaited:  # as the handler looks
                decide.after_writeback(story, told.call, answer)

        return heard

    def _timer(self, what: dict[str, Any]) -> Any:
        waiting = sorted(
            (timer for timer in self.conversation.timers.values() if timer.timer not in self._fired),
            key=lambda timer: timer.due_at,
        )
        if not waiting:
            return None
        timer: TimerSet = waiting[0]
        self._fired.add(timer.timer)
        self.now = max(self.now, timer.due_at)
        return lambda story: decide.after_timer(story, timer)

    def _event(self, what: dict[str, Any]) -> Any:
        if self.conversation.matters[MATTER].settled is None and self.conversation.open:
            self.held(self.erp_says("changed", thing="T-1" if what["ok"] else "T-2"))

    def _hand(self, what: dict[str, Any]) -> Any:
        if self.conversation.matters[MATTER].settled is None and self.conversation.open:
            value = ("go", "to_s1", "to_s2", "to_s3", "to_s4", "nowhere")[what["pick"]]
            self.held(self.is_moved_by_hand("manual", value))

    def _answer(self, kind: Any, endpoint: str, what: dict[str, Any]) -> Any:
        if what["ok"]:
            return backend.CallCompleted(
                kind=kind, conversation=CONVERSATION, endpoint=endpoint, status=200, result={"id": "1"}
            )
        return backend.CallFailed(kind=kind, conversation=CONVERSATION, endpoint=endpoint, reason="HTTP 500")


def stored(event: Event) -> Event:
    """A fact as the log gives it back."""
    return msgspec.json.decode(msgspec.json.encode(event), type=type(event))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(bundle=bundles(), course=happenings())
def test_whatever_happens_in_a_right_configuration_goes_right(bundle: Bundle, course: list[dict[str, Any]]):
    matter = Course(bundle)
    for what in course:
        matter.happens(what)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(bundle=bundles(), course=happenings())
def test_a_restart_at_any_point_changes_nothing_that_is_decided_after_it(bundle: Bundle, course: list[dict[str, Any]]):
    one, other = Course(bundle), Course(bundle)
    for what in course:
        one.happens(what)
        other.conversation = other.refolded()
        other.happens(what)
        assert one.told == other.told
    kinds = Counter(type(fact).__name__ for fact in one.told)
    assert kinds["Opened"] >= 1


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(bundle=bundles())
def test_a_state_map_that_is_right_knows_where_every_trigger_leads(bundle: Bundle):
    map_ = bundle.state_maps["thing"]
    for state in map_.states:
        for accepted in statemap.accepted_triggers(map_, state):
            fired = statemap.Fired(accepted.type, accepted.value, {"thing": "T-1"})
            step = statemap.step(map_, state, fired, Names(entity_id="T-1"))
            if isinstance(step, statemap.Moved):
                assert step.to_state in map_.states
                assert step == statemap.step(map_, state, fired, Names(entity_id="T-1"))
                assert step.terminal == (step.to_state in map_.terminal_states)
