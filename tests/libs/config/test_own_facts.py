"""Names of `extracted_info` that are a bundle's own: asked of Claude as declared, or as they are used."""

import pytest

from tests.libs.config.shipped import CREDENTIALS, TEXTS, added, changed, check

MAPS = "state_maps.yaml"
CONDITION = "          - {field: extracted_info.payment_date, operator: exists}\n"


def using(condition: str, declared: str = "") -> dict[str, str]:
    """The shipped bundle with one more condition of a promise, and these facts."""
    texts, _ = changed(MAPS, CONDITION, f"{CONDITION}          - {condition}\n")
    return texts | ({"facts.yaml": f"facts:\n{declared}"} if declared else {})


def wanted(condition: str, declared: str = ""):
    bundle = check(using(condition, declared), CREDENTIALS).bundle
    assert bundle is not None
    return [(each.name, each.kind, tuple(each.choices)) for each in bundle.state_maps["payment_collection"].facts]


@pytest.mark.parametrize(
    ("condition", "fact"),
    [
        ("{field: extracted_info.visit, operator: after, value: today}", ("visit", "date", ())),
        ("{field: extracted_info.visit, operator: between, value: [today, today+7d]}", ("visit", "date", ())),
        ("{field: extracted_info.part, operator: gte, value: 100}", ("part", "amount", ())),
        ("{field: extracted_info.slot, operator: in, value: [am, pm]}", ("slot", "choice", ("am", "pm"))),
        ("{field: extracted_info.visit_date, operator: exists}", ("visit_date", "date", ())),
        ("{field: extracted_info.model, operator: exists}", ("model", "text", ())),
    ],
)
def test_what_nothing_declares_is_asked_for_as_it_is_used_and_the_check_says_so(condition, fact):
    assert wanted(condition) == [fact]
    (finding,) = [each for each in added(using(condition)) if "extracted_info" in each.message]
    assert (finding.severity, finding.file) == ("warning", MAPS)
    assert finding.path == "state_maps[0].transitions[2].conditions[1].field"
    assert f"at the top of a file, such as facts.yaml: `facts: {{{fact[0]}: {{type: {fact[1]}" in finding.hint


def test_what_is_declared_is_asked_for_as_declared_without_a_word():
    condition, declared = (
        "{field: extracted_info.model, operator: exists}",
        "  model: {type: text, description: of the machine}\n",
    )
    assert wanted(condition, declared) == [("model", "text", ())]
    assert [each for each in added(using(condition, declared)) if "extracted_info" in each.message] == []


def test_a_slip_of_a_common_name_is_said_to_look_like_one():
    (finding,) = [
        each
        for each in added(using("{field: extracted_info.paymnt_date, operator: exists}"))
        if "paymnt" in each.message
    ]
    assert "did you mean 'payment_date'?" in finding.hint


@pytest.mark.parametrize(
    ("declared", "path", "says"),
    [
        ("  model: {type: txt}\n", "facts.model.type", "no type"),
        ("  model: {type: text, choices: [a, b]}\n", "facts.model.choices", "belongs to a fact of type choice"),
        ("  model: {type: choice, choices: [a]}\n", "facts.model", "two or more"),
        ("  amount: how much\n", "facts.amount", "in every process already"),
        ("  of-what: how much\n", "facts.of-what", "can be no name"),
        ("  model: {typ: text}\n", "facts.model.typ", "no key 'typ'"),
    ],
)
def test_a_mistake_in_a_declaration_is_one_error_at_its_place(declared, path, says):
    findings = [
        each
        for each in added(using("{field: extracted_info.model, operator: exists}", declared))
        if each.severity == "error"
    ]
    assert [(each.file, each.path, says in each.message) for each in findings] == [("facts.yaml", path, True)]
    assert findings[0].line == 2
    assert findings[0].hint


def test_a_fact_that_nothing_uses_is_a_warning():
    (finding,) = added(using("{field: entity_id, operator: exists}", "  model: of what\n"))
    assert (finding.severity, finding.path, finding.line) == ("warning", "facts.model", 2)


def test_a_text_that_is_compared_as_a_date_is_an_error_where_it_is_compared():
    texts = using("{field: extracted_info.visit, operator: after, value: today}", "  visit: {type: text}\n")
    (finding,) = [each for each in added(texts) if each.severity == "error"]
    assert finding.path == "state_maps[0].transitions[2].conditions[1]"
    assert "is a text, and a date here" in finding.message


def test_what_a_flow_and_its_registered_texts_use_is_asked_for_in_the_processes_that_run_it():
    reads = "{{contact_name}} {{extracted_info.%s}}"
    texts = {
        **TEXTS,
        "flows/payment.yaml": TEXTS["flows/payment.yaml"].replace("{{contact_name}}", reads % "floor", 1),
        "templates/whatsapp.yaml": TEXTS["templates/whatsapp.yaml"].replace("{{contact_name}}", reads % "tower", 1),
    }
    bundle = check(texts, CREDENTIALS).bundle
    assert bundle is not None
    assert [each.name for each in bundle.state_maps["payment_collection"].facts] == ["floor", "tower"]
    assert [each.name for each in bundle.state_maps["order_fulfillment"].facts] == []
    assert [each.name for each in bundle.flows["payment_reminder"].facts] == ["floor", "tower"]
