"""What one fact makes of a conversation: everything that a decision reads, and the facts that it has led to so far."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from events.base import Draft, Event
from events.call import CallRequested
from events.conversation import GateClosed, GateOpened, MessageRequested, Opened, TimerSet
from libs.config.bundle import Bundle
from libs.config.model import ChannelMode
from libs.domain import conversation as talk
from libs.domain import dialogue
from libs.domain import followup as matters
from libs.domain.contact import Consent, Contact, Reach, evolve_consent, evolve_reach
from libs.domain.conversation import Conversation
from libs.domain.flow import AnyStep, Flow
from libs.domain.followup import Followup
from libs.domain.matter import Matter
from libs.domain.names import Names
from libs.domain.phone import VOICE
from libs.domain.policy import Beside
from libs.domain.scope import names_of, own_zone

FactId = Callable[[str, int], str]
"""The id of the n-th fact that the fact in hand writes into a stream."""
LATELY = timedelta(days=1)
"""How long after the contact last wrote a conversation goes on in the next one, as far as loops are concerned."""


@dataclass(frozen=True, slots=True)
class Door:
    """A channel as it stands now: is it on, does a list of test recipients bind it, and which number of ours calls."""

    mode: ChannelMode
    test_recipients: tuple[str, ...] = ()
    sender: str | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision reads: folds, the contact's recent approaches, the bundles, the doors, and the business now.

    `beside` are the recent approaches to others at a phone that this contact has on a channel, too. `before` is the contact's
    last conversation, as long as they have written nothing in this one. `spent_today` is in minor units, in the currencies that
    the policy limits.
    """

    now: datetime
    fact_id: FactId
    current: Bundle
    contact: Contact
    id: str
    conversation: Conversation = msgspec.field(default_factory=Conversation)
    before: Conversation | None = None
    consent: Consent = msgspec.field(default_factory=Consent)
    reach: Reach = msgspec.field(default_factory=Reach)
    followups: Mapping[str, Followup] = msgspec.field(default_factory=dict)
    bundles: Mapping[str, Bundle] = msgspec.field(default_factory=dict)
    doors: Mapping[str, Door] = msgspec.field(default_factory=dict)
    approaches: tuple[datetime, ...] = ()
    beside: Mapping[str, tuple[Beside, ...]] = msgspec.field(default_factory=dict)
    spent_today: Mapping[str, int] = msgspec.field(default_factory=dict)


def approached_on(event: Event) -> str | None:
    """Where a fact of ours approaches a contact; None where it begins nothing."""
    match event:
        case MessageRequested(purpose="approach", channel=channel):
            return channel
        case CallRequested(purpose="approach"):
            return VOICE
        case _:
            return None


class Story:
    """Tells facts one by one and keeps the state that they lead to, so that the next decision sees them.

    `steps` counts by matter how many steps this decision has run. The matters that are `held` do not speak yet, those
    that have `gathered` wait for no other one any more. While a call has the floor, `spoken` are the bundle's own words
    for it, and `answered` what came of what was asked for in it, by its number; it `speaks` where the contact waits for that. `hands_over`: why
    a step of the flow wants a person to take over in the call.
    """

    def __init__(self, known: Known) -> None:
        self.known = known
        self.conversation = known.conversation
        self.followups = dict(known.followups)
        self.approaches = list(known.approaches)
        self.reach = known.reach
        self.drafts: list[Draft] = []
        self.steps: Counter[str] = Counter()
        self.held: set[str] = set()
        self.gathered: set[str] = set()
        self.spoken: list[str] = []
        self.answered: dict[int, dict[str, Any]] = {}
        self.speaks = False
        self.hands_over: str | None = None
        self._counts: dict[str, int] = {}

    @property
    def now(self) -> datetime:
        return self.known.now

    @property
    def contact(self) -> Contact:
        return self.known.contact

    @property
    def zone(self) -> str:
        """The contact's time zone (IANA): as the ERP tells it, by the phone number, else the policy's."""
        return self._own_zone or self.known.current.policy.timezone

    @property
    def zone_known(self) -> bool:
        """Whether it is the contact's own, and not the policy's."""
        return self._own_zone is not None

    @cached_property
    def _own_zone(self) -> str | None:
        return own_zone(self.contact)

    @property
    def stream(self) -> str:
        return f"conversation-{self.known.id}"

    @property
    def begun(self) -> list[str]:
        """The channels on which this decision has approached the contact, one an approach."""
        channels = (approached_on(draft.event) for draft in self.drafts)
        return [channel for channel in channels if channel is not None]

    @property
    def heard_at(self) -> dict[str, datetime]:
        """When the contact wrote last, by channel; in the conversation before, where this one has not begun there."""
        before = self.known.before.heard_at if self.known.before else {}
        return {**before, **self.conversation.heard_at}

    def address(self, channel: str, *, answering: bool = False) -> str | None:
        """Where the contact is reached on a channel; an answer goes to the address that they wrote from."""
        wrote_from = self.conversation.senders.get(channel) if answering else None
        return wrote_from or self.contact.address(channel)

    def matter(self, matter: str) -> Matter:
        return self.conversation.matters[matter]

    def bundle(self, matter: Matter | None) -> Bundle:
        """The bundle that a matter is pinned to; the current one for what belongs to no matter."""
        return self.known.bundles.get(matter.bundle, self.known.current) if matter else self.known.current

    def flow(self, matter: Matter | None) -> Flow | None:
        """The flow that runs for a matter, as the bundle that it is pinned to has it."""
        return self.bundle(matter).flows.get(matter.flow) if matter and matter.flow else None

    def at(self, matter: str | None) -> tuple[Flow | None, AnyStep | None]:
        """The flow and the step at which a matter stands."""
        now = self.conversation.matters.get(matter or "")
        flow = self.flow(now)
        return flow, dialogue.step_of(flow, now.step) if flow and now else None

    def open(self, follows: str | None) -> None:
        """Begin the conversation, where it has not begun: it follows the contact's last one."""
        if self.conversation.status != "new":
            return
        before = self.known.before
        lately = before is not None and any(self.now - at < LATELY for at in before.heard_at.values())
        idle = before.idle if before is not None and lately else 0
        self.tell(Opened(contact_id=self.contact.id, follows=follows, idle_turns=idle))

    def tell(self, event: Event) -> None:
        """A fact of this conversation."""
        self._draft(self.stream, event)
        self.conversation = talk.evolve(self.conversation, event)

    def tell_of(self, matter: str, event: Event) -> None:
        """A fact of a follow-up."""
        self._draft(f"followup-{matter}", event)
        self.followups[matter] = matters.evolve(self.followups.get(matter, Followup()), event)

    def tell_consent(self, event: Event) -> None:
        """A fact of what the contact allows."""
        self._draft(f"consent-{self.contact.id}", event)

    def heed(self, event: Event) -> None:
        """A fact of what the contact allows, which this very decision keeps to already."""
        self.tell_consent(event)
        self.known = msgspec.structs.replace(self.known, consent=evolve_consent(self.known.consent, event))

    def tell_reach(self, event: Event) -> None:
        """A fact of where the contact can be reached."""
        self._draft(f"reach-{self.contact.id}", event)
        self.reach = evolve_reach(self.reach, event)

    def next_id(self) -> str:
        """The id of the next fact of this conversation: what an intent calls itself."""
        return self.known.fact_id(self.stream, self._counts.get(self.stream, 0))

    def new_id(self, kind: str) -> str:
        """An id for something else that begins here, such as a follow-up: one event may begin one in each of several conversations."""
        return self.known.fact_id(f"{kind} of {self.stream}", len(self.drafts))

    def gates(self, matter: str | None = None, channel: str | None = None) -> list[str]:
        """The scopes that may still withhold what is asked for now."""
        scopes = [f"contact:{self.contact.id}", f"conversation:{self.known.id}"]
        scopes += [f"matter:{matter}"] if matter else []
        return [*scopes, self.gate_of(channel)] if channel else scopes

    def gate_of(self, channel: str) -> str:
        """The scope of what is said to the contact on one channel."""
        return f"contact:{self.contact.id}/{channel}"

    def close_gate(self, scope: str, reason: str, *, lasting: bool = False) -> None:
        self.tell(GateClosed(scope=scope, reason=reason, lasting=lasting))

    def open_gate(self, scope: str) -> None:
        self.tell(GateOpened(scope=scope))

    def set_timer(self, purpose: Any, due_at: datetime, **about: Any) -> None:
        """Come back at `due_at` (business time)."""
        timer = self.next_id()
        self.tell(TimerSet(timer=timer, purpose=purpose, due_at=due_at, **about))

    def names(self, matter: Matter | None) -> Names:
        """What templates and conditions may name for a matter."""
        return names_of(self.contact, matter, now=self.now, zone=self.zone)

    def _draft(self, stream: str, event: Event) -> None:
        self._counts[stream] = self._counts.get(stream, 0) + 1
        self.drafts.append(Draft(stream, event, key=f"contact-{self.contact.id}", subject=self.contact.id))
