"""Priya on the phone: the scene of the overdue invoice, with a channel voice, and what the voice service tells of a call."""

from typing import Any

from events import call
from events.base import Event
from events.call import CallRequested, CallTaken
from events.contact import Address, Profile
from events.phone import CallGuided, CallOver
from libs.testkit.nouns import MORNING, PRIYA_PHONE
from services.orchestrator import on_call, taking
from services.orchestrator.story import Door
from tests.services.orchestrator.scene import CONVERSATION, OVERDUE, Scene

BY_PHONE = Profile(
    name="Priya Sharma",
    channels=[
        Address(channel="voice", address=PRIYA_PHONE),
        Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="form"),
    ],
)
SERVICE_NUMBER = "+911600047189"


class Phoned(Scene):
    """The scene in which voice is first on the ladder."""

    def __init__(self, **more: Any) -> None:
        super().__init__(BY_PHONE, **more)
        self.doors = {"whatsapp": Door("sandbox"), "voice": Door("sandbox", sender=SERVICE_NUMBER)}
        self._tools = 0
        self._turns = 0
        self.came: call.CameIn

    @property
    def asked(self) -> CallRequested:
        """The newest call that was asked for."""
        found: CallRequested = self.last(CallRequested)
        return found

    @property
    def guided(self) -> CallGuided:
        """What the call was told last."""
        found: CallGuided = self.last(CallGuided)
        return found

    def dials(self) -> "Phoned":
        """The invoice is open, so she is called."""
        self.opens(OVERDUE)
        self.erp_answers({"paid": False})
        return self

    def talks(self) -> "Phoned":
        """She has picked up, and says that it is she."""
        self.dials().picks_up()
        self.reports("confirms_person", "Haan ji, boliye")
        return self

    def calls_us(self, name: str = "in-1", *, waits: bool = True, caller: str = PRIYA_PHONE) -> list[Any]:
        """Somebody calls us from her number."""
        came = self.came = call.CameIn(
            caller=caller, digest="d", provider="exotel", provider_ref=name, at=self.now, waits=waits
        )
        self._tools = self._turns = 0
        return self.tells(lambda story: (taking.take if waits else taking.rang)(story, name, came, None))

    def gives_up(self, reason: str = "not_found", name: str = "in-1") -> list[Any]:
        """She is gone before anybody talked with her."""
        return self.tells(lambda story: taking.missed(story, name, self.came, reason, None))

    def happens(self, event: Event, call_id: str | None = None) -> list[Any]:
        """The voice service tells something of the newest call, or of the one that is meant."""
        newest = next(each for each in reversed(self.told) if isinstance(each, CallRequested | CallTaken))
        id_ = call_id or newest.call
        return self.tells(lambda story: on_call.hear(story, id_, event))

    def picks_up(self) -> list[Any]:
        return self.happens(call.Answered(conversation=CONVERSATION, at=self.now))

    def exchange(self, contact: str, agent: str = "Theek hai.") -> list[Any]:
        self._turns += 1
        return self.happens(
            call.TurnTaken(conversation=CONVERSATION, turn=self._turns, contact=contact, agent=agent, at=self.now)
        )

    def asks_for(self, tool: str, said: str = "", **inputs: Any) -> list[Any]:
        """Claude calls a tool, after she said something."""
        self._tools += 1
        fact = call.ToolCalled(
            conversation=CONVERSATION, turn=self._turns, number=self._tools, tool=tool, inputs=inputs, said=said
        )
        return self.happens(fact)

    def reports(self, intent: str, said: str, **info: Any) -> list[Any]:
        """Claude reports what she wants."""
        return self.asks_for("report_intent", said, intent=intent, words=said, extracted_info=info)

    def ends(self, reason: Any = "completed", seconds: int = 30) -> list[Any]:
        return self.happens(call.Ended(conversation=CONVERSATION, reason=reason, seconds=seconds))

    def answer(self) -> dict[str, Any]:
        """What came of the newest thing that was asked for, as the call was told."""
        found: dict[str, Any] = self.guided.answers[str(self._tools)]
        return found

    @property
    def outcome(self) -> str:
        """How the newest call went."""
        found: CallOver = self.last(CallOver)
        return found.outcome
