"""Several due matters of one contact are spoken of in one message, and what she answers is about all of them, or about one."""

from datetime import datetime
from typing import Any

import pytest
from msgspec import structs

from events.contact import Address, Profile
from events.conversation import MessageRequested, TimerSet, TurnRequested
from events.errand import WritebackRequested
from events.followup import AttemptStarted, AttemptUnanswered, Opened
from libs.config.bundle import Bundle
from libs.testkit.nouns import EVENING, IST, MORNING, PRIYA_EMAIL, PRIYA_PHONE
from services.orchestrator.story import Door
from tests.libs.config.shipped import TEXTS as SHIPPED
from tests.services.orchestrator.errand import bundle_of
from tests.services.orchestrator.scene import MATTER, OVERDUE, Scene

SECOND, THIRD = "matter-2", "matter-3"
EIGHT = datetime(2026, 2, 17, 8, 0, tzinfo=IST)
BOTH = Profile(
    name="Priya Sharma",
    channels=[
        Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="order form"),
        Address(channel="email", address=PRIYA_EMAIL),
    ],
)


def owes(entity_id: str, amount: int, **changes: Any) -> Opened:
    context = {"invoice_number": entity_id, "amount": amount, "currency": "INR", "due_date": "2026-01-30"}
    return structs.replace(OVERDUE, entity_id=entity_id, business_context=context, **changes)


def deferred(channel: str = "whatsapp", using: Bundle | None = None, third: bool = False) -> Scene:
    """At half past eight in the evening two invoices (or three) are overdue; all of them wait for the morning."""
    scene = Scene(BOTH, using)
    scene.doors = {channel: Door("sandbox")}
    scene.now = EVENING.replace(hour=20, minute=30)
    scene.opens(owes("INV-2026-0001", 1000))
    scene.erp_answers({"paid": False})
    scene.opens(owes("INV-2026-0002", 2500), matter=SECOND)
    scene.erp_answers({"paid": False})
    if third:
        scene.opens(owes("INV-2026-0003", 500), matter=THIRD)
        scene.erp_answers({"paid": False})
    assert scene.all(MessageRequested) == []
    scene.now = EIGHT
    return scene


def reminded(channel: str = "whatsapp", **more: Any) -> Scene:
    """One message about both went out and was taken."""
    scene = deferred(channel, **more)
    scene.timer_fires("deferred")
    if channel == "email":
        scene.claude_answers("Dear Priya, two invoices are open.")
    scene.message_is("accepted", ref="wamid.both")
    return scene


def states(scene: Scene) -> list[str | None]:
    return [matter.state for matter in scene.conversation.matters.values()]


def test_two_overdue_invoices_are_one_message_that_names_both():
    scene = reminded()
    [message] = scene.all(MessageRequested)
    assert {message.matter, *message.merged} == {MATTER, SECOND}
    assert message.body.template == "payment_reminder_several"
    assert "INV-2026-0001" in message.body.text
    assert "INV-2026-0002" in message.body.text
    assert "₹3,500" in message.body.text
    assert message.body.variables["matters_count"] == "2"


def test_each_matter_has_its_attempt_and_its_map_moves():
    scene = reminded()
    assert [each.number for each in scene.all(AttemptStarted)] == [1, 1]
    assert scene.followups[MATTER].attempts == scene.followups[SECOND].attempts == 1
    assert states(scene) == ["reminded", "reminded"]


def test_the_other_ones_own_timer_finds_nothing_left_to_say():
    scene = reminded()
    assert scene.timer_fires("deferred") == []


def test_in_free_words_claude_is_told_of_both_and_what_it_writes_is_said_once():
    scene = deferred("email")
    scene.timer_fires("deferred")
    turn: TurnRequested = scene.last(TurnRequested)
    assert {turn.matter, *turn.merged} == {MATTER, SECOND}
    assert "INV-2026-0001" in turn.instructions
    assert "INV-2026-0002" in turn.instructions
    scene.claude_answers("Two invoices are open.")
    [message] = scene.all(MessageRequested)
    assert {message.matter, *message.merged} == {MATTER, SECOND}
    scene.message_is("accepted")
    assert states(scene) == ["reminded", "reminded"]


def test_three_are_one_message_too():
    scene = reminded(third=True)
    [message] = scene.all(MessageRequested)
    assert message.body.variables["matters_count"] == "3"
    assert states(scene) == ["reminded"] * 3


def test_where_the_policy_says_so_each_speaks_for_itself():
    apart = bundle_of(
        {**SHIPPED, "policy.yaml": SHIPPED["policy.yaml"].replace("merge_matters: true", "merge_matters: false")}
    )
    scene = deferred(using=apart)
    scene.timer_fires("deferred")
    [message] = scene.all(MessageRequested)
    assert (message.merged, message.body.template) == ([], "payment_reminder")


def test_without_a_registered_text_for_several_each_speaks_for_itself():
    flows = SHIPPED["flows/payment.yaml"]
    assert "several:" in flows
    without = "\n".join(line for line in flows.splitlines() if "several:" not in line)
    scene = deferred(using=bundle_of({**SHIPPED, "flows/payment.yaml": without}))
    scene.timer_fires("deferred")
    assert scene.last(MessageRequested).merged == []


def test_a_matter_whose_attempts_are_used_up_is_not_taken_along():
    scene = deferred()
    last = scene.followups[MATTER]
    scene.followups[MATTER] = type(last)(**{**_fields(last), "attempts": 8})
    scene.timer_fires("deferred")
    assert (scene.last(MessageRequested).matter, scene.last(MessageRequested).merged) == (SECOND, [])


# What she answers


def promises(scene: Scene, text: str, draft: str = "Noted, both.", **more: Any) -> None:
    scene.later(minutes=5)
    scene.priya_says(text, **more)
    scene.claude_answers(draft, intents=["promise_to_pay"], extracted_info={"payment_date": "2026-02-20"})


def test_a_promise_about_both_is_written_back_for_each_and_answered_once():
    scene = reminded()
    promises(scene, "20 February tak dono kar denge")
    assert states(scene) == ["promised", "promised"]
    told = [each.payload["invoice_id"] for each in scene.all(WritebackRequested)]
    assert sorted(told) == ["INV-2026-0001", "INV-2026-0002"]
    turn: TurnRequested = scene.last(TurnRequested)
    assert {turn.matter, *turn.merged} == {MATTER, SECOND}
    scene.claude_answers("Both are noted for 20 February.")
    assert len(scene.all(MessageRequested)) == 2
    assert scene.conversation.unread == ()


def test_a_promise_that_quotes_the_message_about_both_is_about_both():
    scene = reminded()
    promises(scene, "20 February", reply_to="wamid.both")
    assert states(scene) == ["promised", "promised"]


def test_a_promise_that_names_one_is_about_that_one():
    scene = reminded()
    promises(scene, "INV-2026-0002 ka 20 February tak")
    assert states(scene) == ["reminded", "promised"]
    assert [each.payload["invoice_id"] for each in scene.all(WritebackRequested)] == ["INV-2026-0002"]


def test_an_amount_is_about_one_of_them():
    scene = reminded()
    scene.priya_says("abhi 500 de sakta hoon")
    scene.claude_answers("Theek hai.", intents=["partial_payment"], extracted_info={"amount": 500})
    assert sorted(str(each) for each in states(scene)) == ["partial_paid", "reminded"]


def test_what_is_said_about_one_later_moves_that_one_alone():
    scene = reminded()
    promises(scene, "dono 20 tak")
    scene.claude_answers("Noted.")
    scene.message_is("accepted")
    scene.erp_says("payment_received", invoice_number="INV-2026-0001")
    assert states(scene) == ["confirmed", "promised"]


# What becomes of the message


def test_silence_is_noted_for_each():
    scene = reminded()
    assert {each.matter for each in scene.all(TimerSet) if each.purpose == "no_reply"} == {MATTER, SECOND}
    scene.timer_fires("no_reply")
    assert len(scene.all(AttemptUnanswered)) == 1


def test_a_message_that_failed_failed_for_each():
    scene = deferred()
    scene.timer_fires("deferred")
    scene.message_is("failed")
    assert scene.followups[MATTER].failed == scene.followups[SECOND].failed == ("whatsapp",)


def test_what_is_paid_before_it_is_sent_withholds_it_and_the_other_one_is_said_alone():
    scene = deferred()
    scene.timer_fires("deferred")
    [message] = scene.all(MessageRequested)
    assert {f"matter:{MATTER}", f"matter:{SECOND}"} <= set(message.gates)
    scene.is_moved_by_hand("manual", "close", matter=message.merged[0])
    scene.message_is("withheld", message)
    alone = scene.last(MessageRequested)
    assert (alone.matter, alone.merged, alone.body.template) == (message.matter, [], "payment_reminder")


def test_a_draft_for_both_that_is_not_said_leaves_neither_out():
    scene = deferred("email")
    scene.timer_fires("deferred")
    turn: TurnRequested = scene.last(TurnRequested)
    scene.is_moved_by_hand("manual", "close", matter=turn.matter or "")
    scene.claude_answers("Two invoices are open.")
    assert scene.last(TurnRequested).matter == turn.merged[0]


# Two at once in the daytime


def test_a_matter_waits_a_moment_for_another_one_that_the_erp_is_being_asked_for():
    scene = Scene(BOTH)
    scene.doors = {"whatsapp": Door("sandbox")}
    scene.opens(owes("INV-2026-0001", 1000))
    first = scene.told[-1]
    scene.opens(owes("INV-2026-0002", 2500), matter=SECOND)
    second = scene.told[-1]
    scene.told.append(first)
    scene.erp_answers({"paid": False})
    assert scene.all(MessageRequested) == []
    scene.told.append(second)
    scene.erp_answers({"paid": False})
    [message] = scene.all(MessageRequested)
    assert len(message.merged) == 1
    assert scene.timer_fires("pending") == []


def test_it_does_not_wait_for_an_erp_that_does_not_answer():
    scene = Scene(BOTH)
    scene.doors = {"whatsapp": Door("sandbox")}
    scene.opens(owes("INV-2026-0001", 1000))
    first = scene.told[-1]
    scene.opens(owes("INV-2026-0002", 2500), matter=SECOND)
    scene.told.append(first)
    scene.erp_answers({"paid": False})
    scene.timer_fires("pending")
    assert scene.last(MessageRequested).matter == MATTER


@pytest.mark.parametrize("confirmed", [True, False])
def test_who_must_say_who_they_are_first_then_hears_of_both(confirmed: bool):
    asking = SHIPPED["policy.yaml"].replace("text: registered_address", "text: confirm")
    scene = deferred(using=bundle_of({**SHIPPED, "policy.yaml": asking}))
    scene.timer_fires("deferred")
    [question] = scene.all(MessageRequested)
    assert (question.identifies, question.merged) == (True, [])
    scene.message_is("accepted")
    scene.priya_says("haan ji" if confirmed else "kaun?")
    scene.claude_answers(None, intents=["confirms_person"] if confirmed else [])
    if confirmed:
        turn: TurnRequested = scene.last(TurnRequested)
        assert {turn.matter, *turn.merged} == {MATTER, SECOND}
    else:
        assert scene.last(MessageRequested).identifies


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
