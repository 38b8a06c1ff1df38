"""What templates render, what they refuse, and what they cannot be made to do."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.names import Names
from libs.domain.templates import (
    Rendered,
    TemplateFailed,
    UndefinedName,
    render,
    render_payload,
    render_strict,
    render_value,
    syntax_error,
    used_names,
)
from libs.testkit.nouns import INVOICE, INVOICE_OVERDUE, PRIYA_CONTACT

NAMES = Names(
    entity_id=INVOICE,
    contact_name="Priya Sharma",
    contact=PRIYA_CONTACT,
    business_context={
        **INVOICE_OVERDUE,
        "note": None,
        "paid": False,
        "lines": [{"sku": "A-1", "n": 2}, {"sku": "B-2", "n": None}],
        "order": {"items": ["bolt"], "keys": "k"},
        "many": list(range(2_000)),
        "long": "x" * 40_000,
    },
    tool_results={"payment_status": {"paid": True, "amount": Decimal("52400.50")}},
)


def test_a_prompt_reads_as_written():
    said = render("Call {{contact_name}} about {{invoice_number}}: {{amount}} {{currency}}.", NAMES)
    assert said == Rendered("Call Priya Sharma about INV-2026-0042: 52400 INR.")


def test_in_a_prompt_an_undefined_name_reads_unknown_and_is_recorded_once():
    said = render("{{promise.date}} {{promise.date}} {{note}} {{amount}}", NAMES)
    assert said == Rendered("(unknown) (unknown) (unknown) 52400", ("promise.date", "note"))


def test_in_a_prompt_an_undefined_name_is_false_and_survives_filters():
    said = render("{% if ghost %}yes{% elif ghost > 3 %}more{% else %}no{% endif %} {{ghost|inr}}", NAMES)
    assert said == Rendered("no (unknown)", ("ghost",))


def test_a_branch_that_is_not_taken_leaves_nothing_unknown():
    assert render("{% if paid %}{{ghost}}{% else %}open{% endif %}", NAMES) == Rendered("open")


@pytest.mark.parametrize("template", ["{{ghost}}", "{{note}} today", "{{ghost|inr}}", "{{ghost + 1}}", "{% if ghost %}{% endif %}",
                                      "{% for x in ghost %}{% endfor %}", "{{contact.ghost}}", "{% for l in lines %}{{l.n}}{% endfor %}"])  # fmt: skip
def test_in_what_a_contact_reads_an_undefined_name_fails(template: str):
    with pytest.raises(UndefinedName) as failed:
        render_strict(template, NAMES)
    assert failed.value.name in ("ghost", "note", "contact.ghost", "l.n")
    assert failed.value.template == template


def test_an_undefined_name_may_be_asked_for_and_replaced():
    assert render_strict("{% if ghost is defined %}{{ghost}}{% endif %}{{ghost|default('none')}}", NAMES) == "none"
    assert render_strict("{{note|default('no note')}}", NAMES) == "no note"


def test_a_key_is_a_key_also_where_python_has_a_method_of_its_name():
    assert render_strict("{{order.items[0]}} {{order['keys']}} {{order.items.0}}", NAMES) == "bolt k bolt"


def test_a_list_can_be_gone_through():
    text = "{% for line in lines %}{{loop.index}}. {{line.sku}}{% if not loop.last %}, {% endif %}{% endfor %}"
    assert render_strict(text, NAMES) == "1. A-1, 2. B-2"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (52400, "₹52,400"),
        ("52400", "₹52,400"),
        (Decimal("52400.00"), "₹52,400"),
        (52400.5, "₹52,400.50"),
        (Decimal("0.05"), "₹0.05"),
        (0, "₹0"),
        (999, "₹999"),
        (1000, "₹1,000"),
        (100000, "₹1,00,000"),
        (12345678, "₹1,23,45,678"),
        (-700, "-₹700"),
        (Decimal("1.005"), "₹1.01"),
    ],
)
def test_rupees_are_grouped_as_in_india(value: Any, said: str):
    assert render_strict("{{x|inr}}", Names.of_event({"x": value})) == said


def test_rupees_can_be_written_in_the_letters_of_an_sms():
    assert render_strict("{{x|inr_ascii}}", Names.of_event({"x": 52400})) == "Rs 52,400"
    assert render_strict("{{x|inr_ascii}}", Names.of_event({"x": Decimal("-0.5")})) == "-Rs 0.50"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (52400, "fifty-two thousand, four hundred rupees"),
        (500000, "five lakh rupees"),
        (1, "one rupee"),
        (Decimal("2.50"), "two rupees and fifty paise"),
    ],
)
def test_rupees_are_said_in_lakh_and_crore(value: Any, said: str):
    assert render_strict("{{x|inr_words}}", Names.of_event({"x": value})) == said


@pytest.mark.parametrize("value", ["2026-01-30", datetime(2026, 1, 30, 9, tzinfo=UTC), "2026-01-30T23:00:00+05:30"])
def test_a_date_is_said_in_words(value: Any):
    assert render_strict("{{x|date_in}}", Names.of_event({"x": value})) == "30 January 2026"


@pytest.mark.parametrize("template", ["{{contact_name|inr}}", "{{contact_name|date_in}}", "{{paid|inr}}", "{{amount + contact_name}}",
                                      "{{amount|first}}", "{% for c in contact_name %}{% endfor %}"])  # fmt: skip
def test_a_value_that_does_not_suit_fails_and_is_not_quoted(template: str):
    with pytest.raises(TemplateFailed) as failed:
        render_strict(template, NAMES)
    assert "Priya" not in str(failed.value)


def test_one_bare_name_keeps_its_type():
    assert render_value("{{amount}}", NAMES) == 52400
    assert render_value(" {{ payment_status.paid }} ", NAMES) is True
    assert render_value("{{note}}", NAMES) is None
    assert render_value("{{lines[0]}}", NAMES) == {"sku": "A-1", "n": 2}
    assert render_value("₹{{amount}}", NAMES) == "₹52400"
    assert render_value({"a": ["{{amount}}", 5]}, NAMES) == {"a": [52400, 5]}


def test_a_payloads_plain_texts_are_texts():
    payload = {"invoice_id": "{{entity_id}}", "status": "promised", "n": 3, "deep": {"sum": "{{amount}}"}}
    assert render_payload(payload, NAMES) == {
        "invoice_id": INVOICE,
        "status": "promised",
        "n": 3,
        "deep": {"sum": 52400},
    }


def test_a_tools_plain_texts_are_paths():
    payload = {"invoice_id": "business_context.invoice_number", "who": ["contact.id"], "as": "{{currency}}!"}
    rendered = render_payload(payload, NAMES, bare_paths=True)
    assert rendered == {"invoice_id": INVOICE, "who": ["c_123"], "as": "INR!"}


def test_a_tools_path_that_leads_nowhere_fails():
    with pytest.raises(UndefinedName, match=r"business_context\.ghost is undefined"):
        render_payload({"x": "business_context.ghost"}, NAMES, bare_paths=True)


def test_the_check_learns_every_path_that_a_template_names():
    template = "{% for l in lines %}{{l.sku}}{{loop.index}}{% endfor %}{{contact['name']}}{% if a.b[0] %}{{ghost|inr}}{% endif %}"
    assert used_names(template) == {"lines", "contact.name", "a.b.0", "ghost"}


@pytest.mark.parametrize("template", ["{{ amount", "{% if %}", "{% endfor %}", "{{ amount|nope }}", "{{ a is nope }}"])
def test_a_wrong_template_is_found_beforehand(template: str):
    assert syntax_error(template) is not None
    with pytest.raises(TemplateFailed):
        render(template, NAMES)


def test_a_right_template_has_no_error():
    assert syntax_error("{{amount|inr}} {% if paid %}x{% endif %}") is None
    assert syntax_error("plain") is None


ATTACKS = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ contact_name.__class__ }}",
    "{{ contact['__class__'] }}",
    "{{ lines.append(1) }}",
    "{{ contact_name.format(1) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '%s' % contact }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'x' * 1000000000 }}",
    "{{ 9 ** 99999999 }}",
    "{{ [1] * 100000000 }}",
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% for i in many %}x{% endfor %}",
    "{% for a in lines %}{% for b in lines %}{% for c in lines %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in lines recursive %}{{ loop(lines) }}{% endfor %}",
    "{% set a = 1 %}{{a}}",
    "{% macro m() %}{% endmacro %}{{ m() }}",
    "{% include 'etc' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler('a').next() }}",
    "{{ lipsum() }}",
    "{{ contact|attr('__class__') }}",
    "{{ lines|map(attribute='__class__')|list }}",
    "{{ contact_name|center(1000000000) }}",
    "{{ contact_name|replace('P', long) }}",
    "{{ contact_name|xmlattr }}",
    "{{ 'contact_name'|_named }}",
    "{{ lines[entity_id] }}",
    "{{ many|join(long) }}",
    "{{ long }}{{ long }}",
    "{% for a in lines %}{{ loop.__class__ }}{% endfor %}",
    "{% for a in lines %}{{ loop._iterable }}{% endfor %}",
    "{% for a in lines %}{{ loop.changed(1) }}{% endfor %}",
    "{{ caller }}{{ super() }}",
    "{{ amount|round(1000000000) }}",
    "{{ namespace }}",
    "{{ get_flashed_messages }}",
    "{% raw %}{{ x }}{% endraw %}{{ ghost }}",
    "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
]


@pytest.mark.parametrize("template", ATTACKS)
def test_an_attack_fails_quickly_and_only_as_a_failed_template(template: str):
    begun = time.monotonic()
    with pytest.raises(TemplateFailed):
        render_strict(template, NAMES)
    assert time.monotonic() - begun < 2


def test_what_a_contact_wrote_is_never_rendered_again():
    assert (
        render_strict("{{said}}", Names.of_event({"said": "{{contact_name}} {% if %}"})) == "{{contact_name}} {% if %}"
    )


@given(st.text(alphabet="{}%|.a1 '\"()[]*+-_~#\nif", max_size=40))
def test_any_text_renders_or_fails_as_a_template(text: str):
    try:
        assert isinstance(render(text, NAMES).text, str)
    except TemplateFailed:
        assert syntax_error(text) is not None or "{" in text


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers())))
def test_any_value_keeps_its_type_when_it_stands_alone(value: Any):
    assert render_value("{{x}}", Names.of_event({"x": value})) is value
