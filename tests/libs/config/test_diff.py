"""What two bundles say differently, by the names of the things."""

from libs.config.bundle import Bundle
from libs.config.diff import Change, differences
from tests.libs.config.shipped import TEXTS, changed, check


def bundle(texts: dict[str, str]) -> Bundle:
    found = check(texts).bundle
    assert found is not None
    return found


SHIPPED = bundle(dict(TEXTS))


def test_a_bundle_differs_in_nothing_from_itself():
    assert differences(SHIPPED, bundle(dict(TEXTS))) == []


def test_a_changed_value_is_found_by_the_ids_on_the_way_to_it():
    texts, _ = changed("flows/payment.yaml", "max_words: 80", "max_words: 90")
    path = "flows.payment_reminder.steps.send_reminder.max_words"
    assert differences(SHIPPED, bundle(texts)) == [Change(kind="changed", path=path, before=80, after=90)]


def test_what_is_new_and_what_is_gone_is_told_as_one_thing():
    texts, _ = changed("rules.yaml", "id: order_placed", "id: order_was_placed")
    told = [(change.kind, change.path) for change in differences(SHIPPED, bundle(texts))]
    assert ("removed", "rules.order_placed") in told
    assert ("added", "rules.order_was_placed") in told


def test_a_transition_is_known_by_what_it_does():
    texts, _ = changed("state_maps.yaml", "delay_minutes: 4320", "delay_minutes: 1440")
    [change] = differences(SHIPPED, bundle(texts))
    assert change.path.startswith("state_maps.payment_collection.transitions.reminded -> promised on intent")
    assert change.path.endswith(".actions[1].delay_minutes")
    assert (change.before, change.after) == (4320, 1440)


def test_an_action_that_is_new_or_gone_is_told_alone():
    first = "- {type: start_flow, flow: promise_confirmation}"
    note = "- {type: schedule_check, delay_minutes: 60, name: check}"
    texts, _ = changed("state_maps.yaml", first, f"{note}\n          {first}")
    [added] = differences(SHIPPED, bundle(texts))
    assert (added.kind, added.path.rsplit(".", 1)[1]) == ("added", "actions[2]")
    assert added.after == {"type": "schedule_check", "delay_minutes": 60, "name": "check"}
    [removed] = differences(bundle(texts), SHIPPED)
    assert (removed.kind, removed.path, removed.before) == ("removed", added.path, added.after)


def test_transitions_that_only_their_conditions_tell_apart_are_numbered():
    texts, _ = changed("state_maps.yaml", "is paid and gave a proof", "is paid and sent a proof")
    [change] = differences(SHIPPED, bundle(texts))
    assert "acknowledged -> escalated on intent payment_reference (3).actions[1].reason" in change.path


def test_another_order_is_a_difference_too():
    step = "      - id: already_paid\n        type: end\n"
    text = TEXTS["flows/payment.yaml"]
    texts = {
        **TEXTS,
        "flows/payment.yaml": text.replace(step, "", 1).replace(
            "      - id: confirm_promise\n", step + "      - id: confirm_promise\n", 1
        ),
    }
    assert any(change.path == "flows.payment_reminder.steps (order)" for change in differences(SHIPPED, bundle(texts)))
