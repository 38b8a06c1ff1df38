"""A template's header and buttons are checked as Meta takes them, and their variables are the template's."""

import pytest

from tests.libs.config.shipped import TEXTS, added, check

FILE = "templates/whatsapp.yaml"
REGISTERED = """      {{due_date|date_in}}, is still open. On which date will you pay? If you have paid already, please tell us here.
"""
HEADER = '{type: header, parameters: [{type: document, document: {filename: "{{invoice_number}}.pdf"}}]}'
LATER = '{type: button, sub_type: quick_reply, index: 0, parameters: [{type: payload, payload: "LATER:{{invoice_number}}"}]}'
LINK = '{type: button, sub_type: url, index: 1, parameters: [{type: text, text: "{{amount}}"}]}'


def with_components(*components: str) -> dict[str, str]:
    """The shipped bundle, whose first template has these components."""
    assert REGISTERED in TEXTS[FILE]
    lines = "".join(f"      - {component}\n" for component in components)
    return {**TEXTS, FILE: TEXTS[FILE].replace(REGISTERED, f"{REGISTERED}    components:\n{lines}", 1)}


def test_components_are_kept_as_they_are_sent():
    bundle = check(with_components(HEADER, LATER)).bundle
    assert bundle is not None
    template = bundle.templates["whatsapp"]["payment_reminder"]
    assert template.components is not None
    assert template.components[0]["parameters"][0]["document"] == {"filename": "{{invoice_number}}.pdf"}
    assert template.body_variables == ("contact_name", "invoice_number", "amount", "due_date")


def test_variables_of_components_follow_those_of_the_body():
    bundle = check(with_components(LINK.replace("{{amount}}", "{{days_overdue}}"))).bundle
    assert bundle is not None
    template = bundle.templates["whatsapp"]["payment_reminder"]
    assert [variable.name for variable in template.variables][-1] == "days_overdue"
    assert "days_overdue" not in template.body_variables


@pytest.mark.parametrize(
    ("component", "says"),
    [
        ("{type: body, parameters: []}", "the body is written in `body`"),
        ("{type: footer}", "'footer' is no component that is sent"),
        ("nothing", "None is no component that is sent"),
        ("{type: header}", "takes one parameter"),
        ("{type: header, parameters: [{type: text, text: a}, {type: text, text: b}]}", "takes one parameter"),
        ("{type: header, parameters: [{type: text}]}", "'text' is missing"),
        ("{type: header, parameters: [{type: sticker}]}", "a header is no 'sticker'"),
        ("{type: header, parameters: [{type: image, image: {url: x}}]}", "a image takes a link and a filename"),
        ("{type: button, sub_type: call, index: 0}", "'call' is no button"),
        ("{type: button, sub_type: url, index: x, parameters: [{type: text, text: a}]}", "'x' is no place of a button"),
        ("{type: button, sub_type: url, index: 10, parameters: [{type: text, text: a}]}", "10 is no place of a button"),
        ("{type: button, sub_type: url, index: 0, parameters: [{type: payload, payload: a}]}", "a url carries a text"),
        ("{type: button, sub_type: quick_reply, index: 0, parameters: [{type: payload}]}", "'payload' is missing"),
        ('{type: header, parameters: [{type: text, text: "{{ }}"}]}', "names nothing"),
    ],
)
def test_what_meta_would_refuse_is_a_finding_with_its_place(component: str, says: str):
    findings = [each for each in added(with_components(component)) if says in each.message]
    assert [(each.file, each.severity) for each in findings] == [(FILE, "error")]
    assert "templates[0].components[0]" in findings[0].path


def test_the_same_button_twice_is_a_finding():
    [finding] = added(with_components(LATER, LATER))
    assert "written twice" in finding.message
    assert finding.path == "templates[0].components[1]"
