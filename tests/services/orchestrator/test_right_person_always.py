"""Whatever happens, in whatever order: nobody hears of the debt before somebody confirmed who they are at that address."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from events.conversation import MessageRequested, TimerSet
from events.errand import ToolRequested
from events.reach import PersonConfirmed
from libs.testkit.nouns import INVOICE, MORNING, PRIYA, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator.person import CONFIRMS, WRONG_PERSON
from services.orchestrator.story import Door
from tests.services.orchestrator.scene import MATTER, OVERDUE, Scene
from tests.services.orchestrator.test_right_person import BY_EMAIL, CONFIRMING, OTHER_MAIL, leaks

TREASON = f"You owe 52400 for invoice {INVOICE}, pay now!"
"""What an emulated Claude that obeys anybody would write."""
INTENTS = [
    CONFIRMS,
    WRONG_PERSON,
    "promise_to_pay",
    "already_paid",
    "dispute_invoice",
    "speak_to_person",
    "acknowledge",
]
PLACES = [("whatsapp", PRIYA_PHONE), ("email", PRIYA_EMAIL), ("email", OTHER_MAIL), ("chat", PRIYA)]

says = st.builds(
    lambda place, text: lambda scene: scene.priya_says(text, channel=place[0], sender=place[1]),
    st.sampled_from(PLACES),
    st.sampled_from(["haan", "no", "who is this?", "START", "kal kar denge"]),
)
answers = st.builds(
    lambda intents, opt_out: lambda scene: _claude(scene, intents, opt_out),
    st.lists(st.sampled_from(INTENTS), max_size=2, unique=True),
    st.sampled_from([False, False, False, True]),
)
happenings = st.one_of(
    says,
    answers,
    answers,
    st.just(lambda scene: _if_thinking(scene, scene.claude_fails)),
    st.just(lambda scene: _if_sent(scene, "accepted")),
    st.just(lambda scene: _if_sent(scene, "failed")),
    st.just(lambda scene: _if_asked(scene)),
    st.just(lambda scene: scene.erp_says("payment_received", invoice_number=INVOICE)),
    st.just(lambda scene: scene.is_moved_by_hand("outcome", "message_sent")),
    st.just(lambda scene: scene.is_taken_over()),
    st.just(lambda scene: scene.is_released()),
    st.just(lambda scene: scene.priya_unsubscribes("email")),
    st.sampled_from(["no_reply", "deferred", "pending", "check", "quiet"]).map(
        lambda purpose: lambda scene: _if_set(scene, purpose)
    ),
    st.just(lambda scene: scene.later(hours=26)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(happenings, max_size=14))
def test_nobody_hears_of_the_debt_before_they_confirmed_who_they_are(what: list[Callable[[Scene], object]]):
    scene = Scene(BY_EMAIL, CONFIRMING)
    scene.doors = {channel: Door("sandbox") for channel in ("whatsapp", "email", "chat")}
    scene.now = MORNING
    scene.opens(OVERDUE)
    for happens in what:
        if MATTER in scene.conversation.matters:
            happens(scene)
    confirmed: set[tuple[str, str]] = set()
    for event in scene.told:
        if isinstance(event, PersonConfirmed):
            confirmed.add((event.channel, event.address))
        if isinstance(event, MessageRequested) and (event.channel, event.to) not in confirmed:
            assert leaks([event.body.text, event.body.subject or "", *event.body.variables.values()]) == []


def _claude(scene: Scene, intents: list[str], opt_out: bool) -> None:
    facts = {"payment_date": "2026-02-20"} if "promise_to_pay" in intents else {}
    _if_thinking(scene, lambda: scene.claude_answers(TREASON, intents=intents, extracted_info=facts, opt_out=opt_out))


def _if_thinking(scene: Scene, happens: Callable[[], object]) -> None:
    if scene.conversation.turn is not None:
        happens()


def _if_sent(scene: Scene, outcome: str) -> None:
    if scene.all(MessageRequested):
        scene.message_is(outcome)


def _if_asked(scene: Scene) -> None:
    if scene.all(ToolRequested):
        scene.erp_answers({"paid": False})


def _if_set(scene: Scene, purpose: str) -> None:
    if any(isinstance(event, TimerSet) and event.purpose == purpose for event in scene.told):
        scene.timer_fires(purpose)
