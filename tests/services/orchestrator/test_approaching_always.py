"""Whatever happens, in whatever order and however late: no approach outside the contact's hours, within the gap, too often, after a stop."""

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.base import Event
from events.call import CallRequested
from events.consent import Withdrawn
from events.contact import Address, Profile
from events.conversation import MessageRequested, TimerSet, TurnRequested
from events.errand import ToolRequested
from events.phone import CallOver
from libs.domain.contact import Contact
from libs.testkit.nouns import MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator import approach, decide
from services.orchestrator.story import Door
from tests.services.orchestrator.errand import TEXTS, about, bundle_of
from tests.services.orchestrator.phoned import Phoned

GAP, PER_DAY = timedelta(minutes=60), 2
OPENS = {"whatsapp": (10, 19), "email": (8, 21), "voice": (9, 18)}
CLOSED = "2026-02-17"
BUNDLE = bundle_of(
    {
        **TEXTS,
        "policy.yaml": """
policy:
  timezone: Asia/Kolkata
  hours: {whatsapp: {from: "10:00", to: "19:00"}, email: {from: "08:00", to: "21:00"}, voice: {from: "09:00", to: "18:00"}}
  holidays: {extra: ["2026-02-17"]}
  consent: {whatsapp: implied, email: implied, voice: implied}
  attempts: {per_day: 2, per_matter: 8}
  minimum_gap_minutes: 60
""",
    }
)
LOST = ("failed", "withheld")


class Watched(Phoned):
    """Remembers when each thing was asked for, and what became of it."""

    def __init__(self, zone: str, voice: bool) -> None:
        super().__init__(bundle=BUNDLE)
        self.zone = ZoneInfo(zone)
        self.moments: list[tuple[datetime, Event]] = []
        self.lost: set[str] = set()
        self.fired: set[str] = set()
        channels = [Address(channel="whatsapp", address=PRIYA_PHONE), Address(channel="email", address=PRIYA_EMAIL)]
        if voice:
            channels.append(Address(channel="voice", address=PRIYA_PHONE))
        self.know(Profile(name="Priya Sharma", channels=channels, metadata={"timezone": zone}))
        self.doors = {
            "whatsapp": Door("sandbox"),
            "email": Door("sandbox"),
            "voice": Door("sandbox" if voice else "off"),
        }

    def _keep(self, stream: str, event: Event) -> None:
        super()._keep(stream, event)
        self.moments.append((self.now, event))
        if isinstance(event, MessageRequested | CallRequested) and event.purpose == "approach":
            channel = event.channel if isinstance(event, MessageRequested) else "voice"
            assert self.contact.address(channel) == event.to, "it goes where she is reached now"
        if isinstance(event, CallOver) and event.outcome in LOST:
            self.lost.add(event.call)

    def opens_one(self, number: int) -> None:
        name = f"matter-{number}"
        if name in self.followups:
            return
        flow = ("errand", "patient", "chat")[number % 3]
        ladder = ["voice", "whatsapp", "email"][number % 2 :]
        self.opens(about(flow, entity_id=f"E-{number}", channel_priority=ladder), name)

    def timers_fire(self, late: int) -> None:
        """Time goes on to the next timer that is set, and `late` minutes more: all that are due by then fire."""
        waiting = sorted(
            (each for each in self.all(TimerSet) if each.timer not in self.fired), key=lambda each: each.due_at
        )
        if not waiting:
            return
        self.now = max(self.now, waiting[0].due_at) + timedelta(minutes=late)
        for timer in [each for each in waiting if each.due_at <= self.now]:
            self.fired.add(timer.timer)
            self.tells(partial(decide.after_timer, timer=timer))

    def becomes(self, outcome: str) -> None:
        open_ones = [each for each in self.all(MessageRequested) if each.message in self.conversation.awaited]
        if open_ones:
            if outcome in LOST:
                self.lost.add(open_ones[0].message)
            self.message_is(outcome, open_ones[0])

    def answers(self) -> None:
        asked = self.conversation.turn
        if asked is not None and self.all(TurnRequested):
            self.claude_answers("Theek hai.", intents=["agree"])

    def erp(self) -> None:
        if self.all(ToolRequested):
            self.erp_answers({"seen": True})

    def goes_on(self, number: int) -> None:
        """What usually comes: another matter, the next timer, Claude, the ERP and the provider, each with its answer."""
        self.opens_one(number)
        self.timers_fire(0)
        self.erp()
        self.answers()
        self.becomes("accepted")
        self.rings("no_answer")

    def moves(self, number: int) -> None:
        """She has another number now."""
        entries = [each for each in self.profile.channels if each.channel == "email"]
        phones = [each.channel for each in self.profile.channels if each.channel != "email"]
        new = [Address(channel=channel, address=f"+91980000000{number}") for channel in phones]
        self.know(msgspec.structs.replace(self.profile, channels=[*new, *entries]))
        self.tells(approach.withdraw_elsewhere)

    def know(self, profile: Profile) -> None:
        self.profile = profile
        self.contact = Contact(id=PRIYA, profile=profile, known_to_erp=True)

    def rings(self, reason: Any) -> None:
        phone = self.conversation.phone
        if phone is not None and self.all(CallRequested):
            self.ends(reason)


def approaches(scene: Watched) -> list[tuple[datetime, str]]:
    """When something was begun that reached somebody, or may have."""
    return [
        (at, event.channel if isinstance(event, MessageRequested) else "voice")
        for at, event in scene.moments
        if isinstance(event, MessageRequested | CallRequested)
        and event.purpose == "approach"
        and (event.message if isinstance(event, MessageRequested) else event.call) not in scene.lost
    ]


HAPPENS = st.one_of(
    st.tuples(st.just("opens_one"), st.integers(0, 3)),
    st.tuples(st.just("timers_fire"), st.sampled_from([0, 0, 1, 59, 300, 900])),
    st.tuples(
        st.just("becomes"), st.sampled_from(["accepted", "accepted", "unknown", "failed", "withheld", "delivered"])
    ),
    st.tuples(st.just("later"), st.sampled_from([1, 30, 239, 240, 600])),
    st.tuples(st.just("priya_says"), st.sampled_from(["haan", "E-1 ke baare mein?", "STOP"])),
    st.tuples(st.just("rings"), st.sampled_from(["no_answer", "busy", "failed", "completed"])),
    st.tuples(st.just("goes_on"), st.integers(0, 5)),
    st.tuples(st.just("goes_on"), st.integers(0, 5)),
    st.tuples(st.just("moves"), st.integers(0, 3)),
    st.just(("answers",)),
    st.just(("erp",)),
)


@given(
    st.sampled_from(["Asia/Kolkata", "America/New_York", "Europe/London"]),
    st.booleans(),
    st.integers(0, 40 * 60),
    st.lists(HAPPENS, max_size=22),
)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_approach_is_ever_made_that_the_policy_forbids(
    zone: str, voice: bool, begin: int, course: list[tuple[Any, ...]]
):
    scene = Watched(zone, voice)
    scene.now = MORNING.replace(hour=0, minute=0) + timedelta(minutes=begin)
    for verb, *args in course:
        if verb == "later":
            scene.later(minutes=args[0])
        else:
            getattr(scene, verb)(*args)
    made = approaches(scene)
    for at, channel in made:
        local = at.astimezone(scene.zone)
        opens, closes = OPENS[channel]
        assert opens <= local.hour < closes, (channel, local)
        assert local.date().isoformat() != CLOSED
    for (first, _), (second, _) in pairwise(made):
        assert second - first >= GAP, made
    days = Counter(at.astimezone(scene.zone).date() for at, _ in made)
    assert not days or max(days.values()) <= PER_DAY
    stopped = [at for at, event in scene.moments if isinstance(event, Withdrawn) and event.channel is None]
    for at, event in scene.moments:
        if stopped and at > stopped[0]:
            assert not isinstance(event, MessageRequested | CallRequested | TurnRequested), (at, event)
