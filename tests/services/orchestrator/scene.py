"""A conversation on paper: decisions are taken one after the other, each on what the ones before left behind."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from events import backend, business, contact, inbound, operator, turn
from events.base import Event
from events.call import CallRequested
from events.consent import Given, Withdrawn
from events.conversation import ContactSaid, MessageRequested, OutcomeHeard, TimerSet, TurnRequested
from events.errand import ToolRequested
from events.followup import Opened
from events.phone import CallOver
from libs.config.bundle import Bundle
from libs.domain import contact as people
from libs.domain import conversation as talk
from libs.domain import followup as matters
from libs.domain.contact import Consent, Contact, Reach
from libs.domain.conversation import Conversation
from libs.domain.followup import Followup
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator import calling, decide, handing, hearing, outcomes, process, turns
from services.orchestrator.hearing import Heard
from services.orchestrator.outcomes import Became
from services.orchestrator.story import Door, Known, Story
from tests.libs.config.shipped import shipped

ROOT = UUID("00000000-0000-0000-0000-00000000c0de")
CONVERSATION = "conv-1"
MATTER = "matter-1"
SENDERS = {"whatsapp": PRIYA_PHONE, "sms": PRIYA_PHONE, "email": PRIYA_EMAIL, "chat": PRIYA}

PRIYA_IS = contact.Profile(
    name="Priya Sharma",
    organization="Acme Corp",
    channels=[contact.Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="form")],
)
OVERDUE = Opened(
    contact_id=PRIYA,
    reason="Payment overdue 17 days",
    origin="rule",
    channel_priority=["voice", "whatsapp", "email"],
    process_type="payment_collection",
    entity_type="invoice",
    entity_id=INVOICE,
    flow="payment_reminder",
    business_context=INVOICE_OVERDUE,
)


class Scene:
    """Priya's conversation about her overdue invoice, from MORNING on."""

    shipped = shipped()

    def __init__(self, profile: contact.Profile = PRIYA_IS, bundle: Bundle | None = None) -> None:
        self.bundle = bundle or self.shipped
        self.now: datetime = MORNING
        self.contact = Contact(id=PRIYA, profile=profile, known_to_erp=True)
        self.conversation = Conversation()
        self.consent = Consent()
        self.reach = Reach()
        self.before: Conversation | None = None
        self.followups: dict[str, Followup] = {}
        self._approached: dict[str, datetime] = {}
        self.doors = {"whatsapp": Door("sandbox"), "voice": Door("off"), "email": Door("off")}
        self.told: list[Event] = []
        self._causes = 0
        self._said = 0

    def tells(self, verb: Callable[[Story], None]) -> list[Any]:
        """Let a decision speak; what it said, and the scene goes on from there."""
        self._causes += 1
        cause = uuid5(ROOT, str(self._causes))
        story = Story(
            Known(
                now=self.now,
                fact_id=lambda stream, n: str(uuid5(cause, f"{stream}/{n}")),
                current=self.bundle,
                contact=self.contact,
                id=CONVERSATION,
                conversation=self.conversation,
                before=self.before if self.conversation.status == "new" else None,
                consent=self.consent,
                reach=self.reach,
                followups=self.followups,
                bundles={self.bundle.hash: self.bundle},
                doors=self.doors,
                approaches=tuple(self._approached.values()),
            )
        )
        verb(story)
        handing.by_the_flow(story)
        process.close_if_done(story)
        calling.guide(story)
        said: list[Event] = []
        for draft in story.drafts:
            self._keep(draft.stream, draft.event)
            said.append(draft.event)
        self.told += said
        return said

    def _keep(self, stream: str, event: Event) -> None:
        if stream.startswith("conversation-"):
            self.conversation = talk.evolve(self.conversation, event)
        elif stream.startswith("followup-"):
            name = stream.removeprefix("followup-")
            self.followups[name] = matters.evolve(self.followups.get(name, Followup()), event)
        elif isinstance(event, Given | Withdrawn):
            self.consent = people.evolve_consent(self.consent, event)
        elif stream.startswith("reach-"):
            self.reach = people.evolve_reach(self.reach, event)
        if isinstance(event, MessageRequested) and event.purpose == "approach":
            self._approached[event.message] = self.now
        if isinstance(event, CallRequested) and event.purpose == "approach":
            self._approached[event.call] = self.now
        if isinstance(event, CallOver) and event.outcome in ("failed", "withheld"):
            self._approached.pop(event.call, None)
        if isinstance(event, OutcomeHeard) and event.outcome in ("failed", "withheld"):
            self._approached.pop(event.intent, None)

    def later(self, **by: float) -> "Scene":
        self.now += timedelta(**by)
        return self

    def last(self, kind: type[Any]) -> Any:
        """The newest fact of a kind."""
        found = [event for event in self.told if isinstance(event, kind)]
        assert found, f"no {kind.__name__} was told; there were {[type(event).__name__ for event in self.told]}"
        return found[-1]

    def opens(self, opened: Opened = OVERDUE, matter: str = MATTER) -> list[Any]:
        self.followups[matter] = matters.evolve(Followup(), opened)
        return self.tells(lambda story: decide.take_up(story, matter, None))

    def erp_answers(self, result: Any) -> list[Any]:
        asked: ToolRequested = self.last(ToolRequested)
        answer = backend.CallCompleted(
            kind="tool", conversation=CONVERSATION, endpoint=asked.endpoint, status=200, result=result
        )
        return self.tells(lambda story: decide.after_tool(story, asked.call, asked, answer))

    def erp_fails(self, reason: str = "HTTP 500") -> list[Any]:
        asked: ToolRequested = self.last(ToolRequested)
        answer = backend.CallFailed(kind="tool", conversation=CONVERSATION, endpoint=asked.endpoint, reason=reason)
        return self.tells(lambda story: decide.after_tool(story, asked.call, asked, answer))

    def message_is(self, outcome: Any, asked: MessageRequested | None = None, **more: Any) -> list[Any]:
        """What became of the last message, or of the one that is meant."""
        message = (asked or self.last(MessageRequested)).message
        return self.tells(lambda story: outcomes.after_message(story, message, Became(outcome, **more)))

    def priya_says(self, text: str, channel: str = "whatsapp", **more: Any) -> list[Any]:
        """She writes; each message has a stream and a provider's id of its own."""
        self._said += 1
        sender = more.pop("sender", SENDERS[channel])
        received = inbound.Received(
            channel=channel,
            account="1",
            digest="d",
            sender=sender,
            text=text,
            provider_ref=f"in.{self._said}",
            **more,
        )
        return self.tells(lambda story: hearing.hear(story, Heard(received), f"inbound-{channel}-{self._said}", None))

    def files_are(
        self, fetched: inbound.Fetched | None = None, failed: str | None = None, said: ContactSaid | None = None
    ) -> list[Any]:
        """The files of her last message, or of the one that is meant, are here or cannot be had."""
        stream: str = (said or self.last(ContactSaid)).inbound
        return self.tells(lambda story: hearing.read_files(story, Heard(None, fetched, failed), stream))

    def priya_unsubscribes(self, channel: str, how: Any = "link") -> list[Any]:
        told = inbound.Unsubscribed(channel=channel, digest="d", how=how, sender=SENDERS[channel])
        return self.tells(lambda story: hearing.unsubscribe(story, told))

    def claude_answers(self, draft: str | None = "Theek hai.", **understood: Any) -> list[Any]:
        asked: TurnRequested = self.last(TurnRequested)
        done = turn.Completed(conversation=CONVERSATION, model="m", draft=draft, **understood)
        return self.tells(lambda story: turns.after_turn(story, done, asked.turn))

    def claude_fails(self) -> list[Any]:
        asked: TurnRequested = self.last(TurnRequested)
        return self.tells(lambda story: turns.after_failed_turn(story, asked.turn, "Overloaded"))

    def claude_is_withheld(self) -> list[Any]:
        asked: TurnRequested = self.last(TurnRequested)
        return self.tells(lambda story: turns.after_withheld_turn(story, asked.turn))

    def is_taken_over(self, who: str = "Meera") -> list[Any]:
        return self.tells(lambda story: decide.take_over(story, who))

    def is_released(self, who: str = "Meera") -> list[Any]:
        return self.tells(lambda story: decide.release(story, who))

    def operator_says(self, content: str, channel: str | None = None) -> list[Any]:
        given = operator.ReplyGiven(conversation=CONVERSATION, operator="Meera", content=content, channel=channel)
        return self.tells(lambda story: decide.reply(story, given))

    def erp_says(self, event_name: str, matter: str = MATTER, **data: Any) -> list[Any]:
        told = business.EventReceived(event_name=event_name, external_id="1", origin="erp", fingerprint="f", data=data)
        return self.tells(lambda story: decide.on_business_event(story, matter, told))

    def is_moved_by_hand(self, kind: Any, value: str, matter: str = MATTER, **extra: Any) -> list[Any]:
        given = operator.TriggerGiven(
            conversation=CONVERSATION, fingerprint="f", trigger_type=kind, trigger_value=value, extra_data=extra
        )
        return self.tells(lambda story: decide.by_hand(story, given, "operator-1", matter))

    def all(self, kind: type[Any]) -> list[Any]:
        """Every fact of a kind, oldest first."""
        return [event for event in self.told if isinstance(event, kind)]

    def timer_fires(self, purpose: str) -> list[Any]:
        timer = next(event for event in reversed(self.told) if isinstance(event, TimerSet) and event.purpose == purpose)
        self.now = max(self.now, timer.due_at)
        return self.tells(lambda story: decide.after_timer(story, timer))

    def reminded(self) -> "Scene":
        """The reminder went out and was accepted."""
        self.opens()
        self.erp_answers({"paid": False})
        self.message_is("accepted")
        return self

    def promised(self) -> "Scene":
        """Priya promised a date, and it was confirmed to her."""
        self.reminded().later(minutes=5)
        self.priya_says("20 February tak")
        self.claude_answers(intents=["promise_to_pay"], extracted_info={"payment_date": "2026-02-20"})
        self.claude_answers("Note kar liya.")
        self.message_is("accepted")
        return self

    @property
    def state(self) -> str | None:
        return self.conversation.matters[MATTER].state

    @property
    def followup(self) -> Followup:
        return self.followups[MATTER]
