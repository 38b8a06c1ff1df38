"""The shipped bundle: it is clean, and the journey of the demo runs on it."""

from datetime import date
from decimal import Decimal

from libs.config.load import load_bundle
from libs.config.providers import BUILT_CHANNELS, FREE_TEXT
from libs.domain.conditions import Check
from libs.domain.flow import Branch, Generate, ToolCall
from libs.domain.statemap import ScheduleCheck, StartFlow, UpdateBackend
from tests.libs.config.shipped import CREDENTIALS, FOLDER, TEXTS, check


def test_it_has_no_finding():
    loaded = load_bundle(FOLDER, {}, "development")
    assert loaded.bundle is not None
    assert loaded.findings == ()


def test_with_all_credentials_and_an_erp_it_is_fit_for_production():
    settings = TEXTS["settings.yaml"].replace("# base_url: https", "base_url: https")
    settings = settings.replace("# webhook_base_url: https", "webhook_base_url: https")
    loaded = check({**TEXTS, "settings.yaml": settings}, CREDENTIALS, "production")
    assert loaded.errors == ()
    assert loaded.missing == ()
    assert loaded.bundle is not None
    assert loaded.bundle.channel_mode("whatsapp", CREDENTIALS) == "live"
    assert loaded.bundle.backend_mode(CREDENTIALS) == "live"
    assert loaded.bundle.llm_mode(CREDENTIALS) == "live"


def test_without_credentials_all_of_it_is_the_sandbox():
    bundle = check().bundle
    assert bundle is not None
    assert bundle.channel_mode("whatsapp", {}) == "sandbox"
    assert bundle.channel_mode("whatsapp", {**CREDENTIALS, "WHATSAPP_APP_SECRET": ""}) == "sandbox"
    assert bundle.channel_mode("voice", CREDENTIALS) == "live"
    assert bundle.backend_mode({}) == bundle.llm_mode({}) == "sandbox"


def test_the_reminder_asks_the_erp_first_and_speaks_by_a_registered_text():
    bundle = check().bundle
    assert bundle is not None
    rule = next(rule for rule in bundle.rules if rule.on == "invoice_overdue")
    flow = bundle.flows[rule.create_followup.flow or ""]
    asks, branches, speaks = flow.steps[:3]
    assert isinstance(asks, ToolCall)
    assert (asks.endpoint, asks.result_key) == ("check_payment", "payment_status")
    assert isinstance(branches, Branch)
    assert [arm.goto for arm in branches.arms] == ["already_paid", "send_reminder"]
    assert isinstance(speaks, Generate)
    assert speaks.templates == {"whatsapp": "payment_reminder", "sms": "payment_reminder"}
    text = bundle.templates["whatsapp"]["payment_reminder"]
    assert [(each.name, each.source) for each in text.variables] == [
        ("contact_name", "{{contact_name}}"),
        ("invoice_number", "{{invoice_number}}"),
        ("amount", "{{amount|inr}}"),
        ("due_date", "{{due_date|date_in}}"),
    ]


def test_a_promise_is_recorded_checked_after_three_days_and_settled_by_the_erp():
    bundle = check().bundle
    assert bundle is not None
    moves = bundle.state_maps["payment_collection"].transitions
    promise = next(each for each in moves if each.from_states == ("reminded",) and each.to_state == "promised")
    assert [type(action) for action in promise.actions] == [UpdateBackend, ScheduleCheck]
    checked = next(each for each in moves if each.from_states == ("promised",) and each.trigger.type == "timer")
    assert checked.actions == (StartFlow(flow="promise_check"),)
    paid = next(each for each in moves if "promised" in each.from_states and each.trigger.values == ("payment_status",))
    assert paid.to_state == "confirmed"
    assert Check("payment_status.paid", "eq", True) in paid.conditions.parts  # type: ignore[union-attr]  # a list of conditions is AllOf
    resolved = bundle.state_maps["payment_collection"].on_resolved
    assert resolved is not None
    assert resolved.endpoint == "record_outcome"


def test_every_speaking_step_has_a_text_for_each_built_channel():
    bundle = check().bundle
    assert bundle is not None
    for flow in bundle.flows.values():
        for step in flow.steps:
            if isinstance(step, Generate):
                needed = BUILT_CHANNELS & set(bundle.settings.channels) - FREE_TEXT
                assert set(step.templates) >= needed, f"{flow.id}.{step.id}"


def test_the_newest_price_that_is_effective_counts():
    bundle = check().bundle
    assert bundle is not None
    before = bundle.price("meta", "message", date(2026, 2, 16), "service")
    after = bundle.price("meta", "message", date(2026, 11, 23), "service")
    assert before is not None
    assert after is not None
    assert (before.amount, after.amount) == (Decimal(0), Decimal("0.1150"))
    assert after.minor_units(2) == Decimal(23)
    assert bundle.price("meta", "message", date(2025, 12, 31), "utility") is None
    haiku = bundle.price("anthropic", "token_in", date(2026, 2, 16), "claude-haiku-5-5")
    assert haiku is not None
    assert haiku.minor_units(1_000_000) == Decimal(10)
