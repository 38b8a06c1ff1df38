"""Priya's overdue invoice as facts in a real log, from the ERP's event to her promise."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from events import backend, business, call, contact, conversation, followup, inbound, message, rules, turn
from events.base import Cause, Draft, Event, Recorded
from events.person import PersonHeard
from events.phone import CallOver, Talked
from events.values import Body, Cost, PolicyDecision, Trigger
from libs.kit.store import Store
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, MORNING, PRIYA, PRIYA_PHONE, TENANT

ROOT = UUID("00000000-0000-0000-0000-00000000f01d")
MINUTE = timedelta(minutes=1)
ALLOWED = PolicyDecision(verdict="allowed", channel="whatsapp", purpose="payment_collection", at=MORNING)
PRIYA_IS = contact.Profile(
    name="Priya Sharma",
    organization="Acme Corp",
    channels=[contact.Address(channel="whatsapp", address=PRIYA_PHONE)],
)


class Log:
    """Tells facts; each tells a minute of business time after the one before."""

    def __init__(self, store: Store, tenant: str = TENANT) -> None:
        self.store = store
        self.tenant = tenant
        self.now: datetime = MORNING
        self._roots = 0

    async def tell(self, stream: str, *events: Event, because: Recorded[Any] | None = None) -> Recorded[Any]:
        """Append facts to the end of a stream; the last of them as it stands in the log."""
        self._roots += 1
        self.now += MINUTE
        root = uuid5(ROOT, f"{self.tenant}/{self._roots}")
        cause = Cause(
            id=because.id if because else root,
            correlation_id=because.envelope.correlation_id if because else root,
            occurred_at=self.now,
            source="test",
        )
        first = 0 if because is None else self._roots * 100
        drafts = [Draft(stream, event, f"contact-{PRIYA}", PRIYA) for event in events]
        await self.store.append_any(self.tenant, stream, drafts, cause, first=first)
        return (await self.store.read_stream(self.tenant, stream))[-1]


def overdue(number: int) -> business.EventReceived:
    """The ERP's event; `number` tells several apart."""
    return business.EventReceived(
        event_name="invoice_overdue",
        external_id=str(number),
        origin="erp",
        fingerprint="f",
        data={**INVOICE_OVERDUE, "contact_id": PRIYA},
    )


class Journey:
    """One conversation, step by step; `number` tells several in one log apart."""

    def __init__(self, log: Log, number: int = 1) -> None:
        self.log = log
        self.id = f"conv-{number}"
        self.matter = f"matter-{number}"
        self.message = f"message-{number}"
        self.number = number
        self.call = f"call-{number}"
        self.opened_at = 0

    @property
    def stream(self) -> str:
        return f"conversation-{self.id}"

    async def begin(self) -> None:
        """The event, the rule, the follow-up, the contact, and the conversation's opening."""
        log = self.log
        event = await log.tell(f"business-{self.number}", overdue(self.number))
        matched = rules.MatchedFollowup(
            rule_id="overdue", contact_id=PRIYA, reason="overdue", dedupe_key="k", why=["w"]
        )
        rejected = rules.RejectedRule(rule_id="other", reasons=["hears x"])
        evaluated = rules.Evaluated(
            event_name="invoice_overdue", business_stream=event.stream, matched=[matched], rejected=[rejected]
        )
        said = await log.tell(f"rules-{self.number}", evaluated, because=event)
        opened = followup.Opened(
            contact_id=PRIYA,
            reason="Payment overdue 17 days",
            origin="rule",
            rule_id="overdue",
            process_type="payment_collection",
            entity_type="invoice",
            entity_id=INVOICE,
        )
        asked = await log.tell(
            f"followup-{self.matter}", opened, followup.ContactRequested(contact_id=PRIYA), because=said
        )
        registered = contact.Registered(contact_id=PRIYA, profile=PRIYA_IS)
        known = await log.tell(f"contact-{PRIYA}", registered, because=asked)
        begun = await log.tell(self.stream, conversation.Opened(contact_id=PRIYA), because=known)
        self.opened_at = begun.pos
        await log.tell(f"followup-{self.matter}", followup.Joined(conversation=self.id), because=known)
        bound = conversation.ProcessBound(
            matter=self.matter,
            bundle="b",
            state="pending",
            process_type="payment_collection",
            entity_type="invoice",
            entity_id=INVOICE,
            context=INVOICE_OVERDUE,
        )
        await log.tell(
            self.stream,
            bound,
            conversation.FlowStarted(matter=self.matter, flow="payment_reminder"),
            conversation.StepEntered(matter=self.matter, flow="payment_reminder", step="send_reminder"),
            because=known,
        )

    async def phone(self) -> None:
        """A call: she says who she is, and that she has no time."""
        log, stream = self.log, f"call-{self.call}"
        allowed = PolicyDecision(verdict="allowed", channel="voice", purpose="payment_collection", at=MORNING)
        requested = call.CallRequested(
            call=self.call,
            to=PRIYA_PHONE,
            opening="Am I speaking with Priya Sharma?",
            instructions="Ask.",
            allowed_by=allowed,
            matter=self.matter,
            identifies=True,
        )
        asked = await log.tell(self.stream, requested)
        about: dict[str, Any] = {"conversation": self.id}
        rang = log.now + timedelta(seconds=3)
        picked_up = await log.tell(
            stream,
            call.Dialled(**about, provider="exotel", provider_ref="sid-1"),
            call.Ringing(**about, at=rang),
            call.Answered(**about, at=rang + timedelta(seconds=9)),
            call.TurnTaken(**about, turn=0, contact="", agent="Am I speaking with Priya Sharma?", at=log.now),
            call.ToolCalled(**about, turn=1, number=1, tool="report_intent", said="Haan, boliye"),
            because=asked,
        )
        heard = PersonHeard(turn=f"{self.call}/1", channel="voice", verdict="confirmed", matter=self.matter)
        said: dict[str, Any] = {"contact": "Haan, boliye, Zanzibar Road par hoon", "agent": "Theek hai", "at": log.now}
        await log.tell(self.stream, heard, Talked(call=self.call, turn=1, **said), because=picked_up)
        cost = {"telephony": Cost(currency="INR", micros=1_200_000), "llm": Cost(currency="USD", micros=4_000)}
        ended = await log.tell(
            stream,
            call.TurnTaken(**about, turn=1, **said, latency_ms={"llm": 210, "total": 540}),
            call.ProviderSwitched(
                **about,
                component="tts",
                from_provider="cartesia sonic",
                to_provider="elevenlabs flash",
                reason="silent",
            ),
            call.RecordingStored(**about, seconds=40, size=1, announced="recorded", delete_at=log.now),
            call.Ended(
                **about,
                reason="contact_hung_up",
                seconds=40,
                turns=1,
                costs=cost,
                latency_ms={"total": {"p50_ms": 540, "p90_ms": 540, "p99_ms": 540}},
            ),
            call.Summarised(
                **about,
                summary="She is at Zanzibar Road.",
                facts={"next_step": "write"},
                mood="neutral",
                cost=Cost(currency="USD", micros=1_000),
            ),
            because=picked_up,
        )
        over = CallOver(call=self.call, outcome="talked", reason="contact_hung_up", seconds=40, costs=cost)
        await log.tell(self.stream, over, because=ended)

    async def remind(self) -> None:
        """The approach, what the provider says of it, and the process's first move."""
        log = self.log
        started = followup.AttemptStarted(number=1, channel="whatsapp", allowed_by=ALLOWED)
        attempt = await log.tell(f"followup-{self.matter}", started)
        requested = conversation.MessageRequested(
            message=self.message,
            channel="whatsapp",
            to=PRIYA_PHONE,
            body=Body(text="Please pay", template="payment_reminder"),
            allowed_by=ALLOWED,
            matter=self.matter,
        )
        asked = await log.tell(self.stream, requested, because=attempt)
        accepted = message.Accepted(
            conversation=self.id, channel="whatsapp", provider_ref="wamid.1", cost=Cost(currency="INR", micros=115000)
        )
        taken = await log.tell(f"message-{self.message}", accepted, because=asked)
        moved = conversation.ProcessMoved(
            matter=self.matter,
            from_state="pending",
            to_state="reminded",
            trigger=Trigger(type="outcome", value="message_sent"),
        )
        heard = conversation.OutcomeHeard(intent=self.message, outcome="accepted")
        await log.tell(self.stream, heard, moved, because=taken)
        read = message.Read(conversation=self.id, channel="whatsapp", at=log.now)
        await log.tell(f"message-{self.message}", read, because=taken)

    async def promise(self, text: str = "20 February tak kar denge") -> None:
        """Her answer, and what Claude makes of it."""
        log = self.log
        received = inbound.Received(
            channel="whatsapp", account="1", digest="d", sender=PRIYA_PHONE, text=text, provider_ref="wamid.2"
        )
        came = await log.tell(f"inbound-whatsapp-{self.number}", received)
        said = conversation.ContactSaid(channel="whatsapp", inbound=came.stream, text=text, at=log.now)
        asked = conversation.TurnRequested(turn=f"turn-{self.number}", upto=9, instructions="understand")
        requested = await log.tell(self.stream, said, asked, because=came)
        completed = turn.Completed(
            conversation=self.id,
            model="claude",
            intents=["promise_to_pay"],
            extracted_info={"payment_date": "2026-02-20"},
            cost=Cost(currency="USD", micros=450),
        )
        understood = await log.tell(f"turn-turn-{self.number}", completed, because=requested)
        await log.tell(
            self.stream,
            conversation.Understood(
                turn=f"turn-{self.number}",
                intents=["promise_to_pay"],
                matter=self.matter,
                extracted_info={"payment_date": "2026-02-20"},
                language="hi-Latn",
            ),
            conversation.ProcessMoved(
                matter=self.matter,
                from_state="reminded",
                to_state="promised",
                trigger=Trigger(type="intent", value="promise_to_pay"),
            ),
            because=understood,
        )
        told = backend.CallCompleted(kind="write", conversation=self.id, endpoint="record_promise", status=200)
        await log.tell(f"backend-{self.number}", told, because=understood)

    async def close(self) -> None:
        """The matter is settled."""
        await self.log.tell(f"followup-{self.matter}", followup.Resolved(outcome="paid"))
        await self.log.tell(self.stream, conversation.Closed(reason="resolved"))

    async def whole(self) -> None:
        """All of it."""
        await self.begin()
        await self.phone()
        await self.remind()
        await self.promise()
        await self.close()
