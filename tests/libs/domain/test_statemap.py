"""What moves a business process, and what does not."""

from typing import Any, get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.conditions import Check
from libs.domain.names import Names
from libs.domain.statemap import (
    Accepted,
    Fired,
    Moved,
    ScheduleCheck,
    StateMap,
    Stays,
    Transition,
    Trigger,
    TriggerType,
    UpdateBackend,
    accepted_triggers,
    event_entities,
    offered_intents,
    step,
)
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, PAYMENT_RECEIVED

RECORD = UpdateBackend(endpoint="record_promise", payload={"invoice_id": "{{entity_id}}"})
CHECK = ScheduleCheck(delay_minutes=4320)


def move(from_: str, to: str, type_: TriggerType, *values: str, **more: Any) -> Transition:
    match = more.pop("match", None)
    trigger = Trigger(type=type_, values=values, match=match)
    return Transition(from_states=tuple(from_.split()), to_state=to, trigger=trigger, **more)


PAYMENT = StateMap(
    process_type="payment_collection",
    states=("pending", "reminded", "promised", "confirmed", "escalated", "closed"),
    initial_state="pending",
    terminal_states=("confirmed", "closed"),
    intents={"promise_to_pay": "says when they will pay", "asks_a_person": ""},
    transitions=(
        move("pending", "reminded", "outcome", "message_sent"),
        move(
            "reminded",
            "promised",
            "intent",
            "promise_to_pay",
            "will_pay",
            conditions=Check("extracted_info.payment_date", "exists"),
            actions=(RECORD, CHECK),
        ),
        move("reminded", "reminded", "intent", "promise_to_pay"),
        move("promised", "confirmed", "outcome", "payment_status", conditions=Check("payment_status.paid", "eq", True)),
        move("promised", "promised", "timer", "check"),
        move(
            "pending reminded promised",
            "confirmed",
            "event",
            "payment_received",
            match={"entity_id": "{{invoice_number}}"},
            conditions=Check("amount", "gte", 52400),
        ),
        move("reminded promised", "escalated", "intent", "disputes"),
        move("escalated", "closed", "manual", "settled"),
    ),
)
NAMES = Names(entity_id=INVOICE, entity_type="invoice", business_context=INVOICE_OVERDUE)
PROMISE = Fired("intent", "promise_to_pay")


def on(state: str, fired: Fired, names: Names = NAMES) -> Moved | Stays:
    return step(PAYMENT, state, fired, names)


def test_a_promise_with_a_date_moves_to_promised_and_records_it():
    names = Names(entity_id=INVOICE, extracted_info={"payment_date": "2026-02-20"})
    moved = on("reminded", PROMISE, names)
    assert moved == Moved(
        from_state="reminded",
        to_state="promised",
        transition=1,
        actions=(RECORD, CHECK),
        reasons=("to promised: extracted_info.payment_date exists", "to reminded: holds too, but is listed later"),
    )


def test_a_promise_without_a_date_takes_the_next_transition_and_says_why():
    moved = on("reminded", PROMISE)
    assert isinstance(moved, Moved)
    assert (moved.to_state, moved.transition) == ("reminded", 2)
    assert moved.reasons == ("to promised: extracted_info.payment_date is missing",)


def test_a_trigger_that_the_state_does_not_hear_moves_nothing_and_names_what_would():
    stays = on("escalated", PROMISE)
    assert stays == Stays(
        state="escalated",
        reasons=("escalated does not listen to intent promise_to_pay",),
        accepted=(Accepted("manual", "settled"),),
    )


def test_a_tools_answer_is_seen_by_the_conditions_under_its_key():
    paid = on("promised", Fired("outcome", "payment_status", {"paid": True}))
    assert isinstance(paid, Moved)
    assert paid.terminal
    unpaid = on("promised", Fired("outcome", "payment_status", {"paid": False}))
    assert isinstance(unpaid, Stays)
    assert unpaid.reasons == ("to confirmed: payment_status.paid false is not = true",)


def test_a_timer_may_lead_to_the_same_state():
    moved = on("promised", Fired("timer", "check"))
    assert isinstance(moved, Moved)
    assert moved.to_state == "promised"


def test_a_payment_of_this_invoice_confirms():
    assert isinstance(on("reminded", Fired("event", "payment_received", PAYMENT_RECEIVED)), Moved)


def test_a_payment_of_another_invoice_is_not_ours():
    stays = on("reminded", Fired("event", "payment_received", {**PAYMENT_RECEIVED, "invoice_number": "INV-2026-0043"}))
    assert stays.reasons == ("to confirmed: the event is about another entity",)


def test_an_event_without_the_name_that_matches_it_is_not_ours():
    assert isinstance(on("reminded", Fired("event", "payment_received", {"amount": 52400})), Stays)
    assert isinstance(on("reminded", Fired("event", "payment_received")), Stays)


def test_an_events_own_data_comes_before_what_we_knew():
    stays = on("reminded", Fired("event", "payment_received", {**PAYMENT_RECEIVED, "amount": 100}))
    assert stays.reasons == ("to confirmed: amount 100 is not >= 52400",)


def test_nothing_moves_a_terminal_state():
    assert on("closed", PROMISE) == Stays(state="closed", reasons=("closed is terminal",))


def test_a_state_that_the_map_does_not_declare_is_named():
    assert on("lost", PROMISE).reasons == ("the map declares no state lost",)


def test_a_transition_into_an_undeclared_state_is_never_taken():
    broken = msgspec.structs.replace(PAYMENT, transitions=(move("reminded", "limbo", "intent", "promise_to_pay"),))
    stays = step(broken, "reminded", PROMISE, NAMES)
    assert isinstance(stays, Stays)
    assert stays.reasons == ("to limbo: the map declares no such state",)


def test_conditions_know_the_state_and_the_intent():
    asked = move("reminded promised", "escalated", "intent", "disputes", conditions=Check("state", "eq", "promised"))
    map_ = msgspec.structs.replace(PAYMENT, transitions=(asked,))
    assert isinstance(step(map_, "reminded", Fired("intent", "disputes"), NAMES), Stays)
    assert isinstance(step(map_, "promised", Fired("intent", "disputes"), NAMES), Moved)


def test_a_state_lists_what_it_hears_once_and_in_order():
    assert accepted_triggers(PAYMENT, "reminded") == (
        Accepted("intent", "promise_to_pay"),
        Accepted("intent", "will_pay"),
        Accepted("event", "payment_received"),
        Accepted("intent", "disputes"),
    )


def test_what_moves_the_state_is_offered_first_and_described():
    assert list(offered_intents(PAYMENT, "promised")) == ["disputes", "promise_to_pay", "asks_a_person", "will_pay"]
    offered = offered_intents(PAYMENT, "reminded")
    assert offered["promise_to_pay"] == "says when they will pay"
    assert offered["will_pay"] == "will pay"


def test_an_event_finds_the_bindings_that_it_speaks_of():
    assert event_entities(PAYMENT, "order_delayed", PAYMENT_RECEIVED) == ()
    assert event_entities(PAYMENT, "payment_received", PAYMENT_RECEIVED) == ({"entity_id": INVOICE},)
    assert event_entities(PAYMENT, "payment_received", {}) == ()


NAME = st.sampled_from(["a", "b", "c", "d", "ghost"])
TRANSITIONS = st.lists(
    st.builds(
        lambda from_, to, type_, value, asked: move(
            from_, to, type_, value, conditions=Check("n", "gte", asked), match={"entity_id": "{{id}}"}
        ),
        NAME,
        NAME,
        st.sampled_from(get_args(TriggerType)),
        st.sampled_from(["x", "y"]),
        st.integers(0, 3),
    ),
    max_size=8,
)


@given(TRANSITIONS, NAME, st.sampled_from(get_args(TriggerType)), st.sampled_from(["x", "y", "z"]), st.integers(0, 3))
def test_a_step_ends_in_a_declared_state_by_the_first_transition_that_holds(
    transitions: list[Transition], state: str, type_: TriggerType, value: str, n: int
):
    states = ("a", "b", "c", "d")
    map_ = StateMap(
        process_type="p", states=states, initial_state="a", terminal_states=("d",), transitions=tuple(transitions)
    )
    stepped = step(map_, state, Fired(type_, value, {"n": n, "id": 1}), Names(entity_id="1", business_context={"n": n}))
    fitting = [
        index
        for index, one in enumerate(transitions)
        if state in one.from_states
        and one.trigger.type == type_
        and value in one.trigger.values
        and one.to_state in states
        and isinstance(one.conditions, Check)
        and one.conditions.value <= n
    ]
    if fitting:
        assert isinstance(stepped, Moved)
        assert stepped.transition == fitting[0]
        assert stepped.to_state in states
    else:
        assert isinstance(stepped, Stays)
        assert stepped.state == state
    assert stepped.reasons


def test_the_reasons_name_the_later_transitions_that_would_have_been_taken():
    first = Transition(from_states=("a",), to_state="b", trigger=Trigger(type="manual", values=("go",)))
    map_ = StateMap(
        process_type="p",
        states=("a", "b", "c"),
        initial_state="a",
        terminal_states=("b", "c"),
        transitions=(first, msgspec.structs.replace(first, to_state="c")),
    )
    moved = step(map_, "a", Fired("manual", "go"), Names())
    assert isinstance(moved, Moved)
    assert (moved.to_state, moved.reasons) == ("b", ("to b: manual go", "to c: holds too, but is listed later"))
