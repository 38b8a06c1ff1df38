"""The channel sms: what its providers need, and templates as DLT has registered them."""

from typing import Any

import pytest

from libs.config.compile import Loaded, compile_bundle
from libs.config.findings import Finding
from libs.config.sms import SmsOptions, sms_options

EXOTEL = "channels: {sms: {provider: exotel, sender_id: ACMECO, default_template: reminder}}\n"
PINPOINT = (
    "channels: {sms: {provider: pinpoint, region: ap-south-1, configuration_set: followup, default_template: reminder,"
    " topic_arns: ['arn:aws:sns:ap-south-1:123456789012:sms']}}\n"
)
DLT = 'dlt: {entity_id: "1101456324585245458", template_id: "1107165432198765432"}'
BODY = "Dear {{contact_name}}, invoice {{invoice_number}} of {{amount|inr_ascii}} is due. Acme"
FLOW = "flows: [{id: general_followup, steps: [{id: say, type: say, text: hello, templates: {sms: reminder}}, {id: end, type: end}]}]\n"


def template(body: str = BODY, *, dlt: str | None = DLT, language: str = "en") -> str:
    ids = f", {dlt}" if dlt else ""
    return f'templates:\n  - {{id: reminder, name: r, language: {language}, category: utility, body: "{body}"{ids}}}\n'


def check(
    settings: str = EXOTEL, texts: str | None = None, env: dict[str, str] | None = None, profile: str = "development"
) -> Loaded:
    files = {
        "settings.yaml": settings,
        "flows/f.yaml": FLOW,
        "templates/sms.yaml": template() if texts is None else texts,
    }
    return compile_bundle(files, env or {}, profile)


def findings(*args: Any, **named: Any) -> list[Finding]:
    return list(check(*args, **named).findings)


def only(found: list[Finding], severity: str, path: str, says: str) -> None:
    assert len(found) == 1, found
    assert (found[0].severity, found[0].path) == (severity, path)
    assert says in found[0].message
    assert found[0].hint
    assert found[0].line >= 1


@pytest.mark.parametrize("settings", [EXOTEL, PINPOINT])
def test_a_whole_configuration_has_no_findings(settings: str):
    assert findings(settings) == []


def test_options_are_read_into_types():
    bundle = check(
        EXOTEL.replace("sender_id: ACMECO", "sender_id: ACMECO, max_segments: 2, free_text_to: ['+44']")
    ).bundle
    assert bundle is not None
    options = sms_options(bundle.settings.channels["sms"])
    assert options == SmsOptions(sender_id="ACMECO", max_segments=2, free_text_to=("+44",))
    assert bundle.takes_free_text("sms", "+447700900123")
    assert not bundle.takes_free_text("sms", "+919876512345")
    assert bundle.takes_free_text("email", "priya@acme.example")


@pytest.mark.parametrize(
    ("option", "path"),
    [("sender_id: A", "channels.sms.sender_id"), ("sender_id: ACMECO, max_segments: 0", "channels.sms.max_segments"),
     ("sender_id: ACMECO, max_segments: many", "channels.sms.max_segments"), ("sender_id: ACMECO, entity_id: 11", "channels.sms.entity_id"),
     ("sender_id: ACMECO, free_text_to: [GB]", "channels.sms.free_text_to")],
)  # fmt: skip
def test_an_option_of_the_wrong_shape_is_found_where_it_stands(option: str, path: str):
    found = [each for each in findings(EXOTEL.replace("sender_id: ACMECO", option)) if "as it must be" in each.message]
    only(found, "error", path, "is not as it must be")


@pytest.mark.parametrize("prefix", ["+91", "+9", "+9198"])
def test_free_text_in_india_cannot_be_configured(prefix: str):
    found = findings(EXOTEL.replace("sender_id: ACMECO", f"sender_id: ACMECO, free_text_to: ['+44', '{prefix}']"))
    only(found, "error", "channels.sms.free_text_to[1]", "reaches India")


@pytest.mark.parametrize(
    ("settings", "severity", "says"),
    [
        ("channels: {sms: {provider: exotel, default_template: reminder}}\n", "error", "who sends"),
        ("channels: {sms: {provider: sns, default_template: reminder}}\n", "error", "region"),
        (PINPOINT.replace("configuration_set: followup, ", ""), "warning", "configuration set"),
        (PINPOINT.replace(" topic_arns: ['arn:aws:sns:ap-south-1:123456789012:sms']", ""), "warning", "SNS topic"),
    ],
)
def test_what_a_provider_cannot_do_without_is_asked_for(settings: str, severity: str, says: str):
    only(findings(settings), severity, "channels.sms", says)


def test_a_live_exotel_needs_an_address_for_its_callbacks():
    keys = ("account_sid", "api_key", "api_token", "webhook_secret")
    credentials = ", ".join(f'{key}: "${{{key.upper()}}}"' for key in keys)
    live = EXOTEL.replace("sender_id", f"credentials: {{{credentials}}}, sender_id")
    env = {key.upper(): "x" for key in keys}
    only(findings(live, env=env), "warning", "channels.sms", "what became of a message")
    assert findings("webhook_base_url: https://hooks.example.com\n" + live, env=env) == []
    production = [each for each in findings(live, env=env, profile="production") if "what became" in each.message]
    only(production, "error", "channels.sms", "what became of a message")


def test_a_template_without_dlt_ids_is_an_error_with_exotel_and_a_warning_elsewhere():
    only(findings(EXOTEL, template(dlt=None)), "error", "templates[0]", "no DLT ids")
    only(findings(PINPOINT, template(dlt=None)), "warning", "templates[0]", "no DLT ids")


def test_a_dlt_id_has_19_digits():
    only(
        findings(EXOTEL, template(dlt=DLT.replace("1107165432198765432", "110716"))),
        "error",
        "templates[0].dlt.template_id",
        "no DLT id",
    )


def test_a_template_of_another_entity_is_found():
    other = EXOTEL.replace("sender_id: ACMECO", 'sender_id: ACMECO, entity_id: "2201456324585245458"')
    only(findings(other), "error", "templates[0].dlt.entity_id", "another entity")


@pytest.mark.parametrize("sign", ["₹", "’", "–", "\u00a0"])
def test_one_letter_that_makes_a_template_unicode_is_named(sign: str):
    found = findings(EXOTEL, template(BODY.replace("Dear", f"Dear{sign}")))
    only(found, "warning", "templates[0].body", repr(sign))


def test_a_filter_that_writes_the_rupee_sign_is_found():
    only(findings(EXOTEL, template(BODY.replace("inr_ascii", "inr"))), "warning", "templates[0].body", "writes ₹")


def test_a_hindi_template_is_unicode_anyway():
    assert findings(EXOTEL, template("प्रिय {{contact_name}}, चालान {{invoice_number}} बाकी है", language="hi")) == []


def test_a_template_that_is_too_long_or_takes_blanks_away_is_an_error():
    only(findings(EXOTEL, template(BODY + "x" * 600)), "error", "templates[0].body", "fixed text alone takes")
    only(
        findings(EXOTEL, template("Dear {{- contact_name}} of Acme")), "error", "templates[0].body", "keeps its blanks"
    )


def test_every_speaking_step_needs_a_registered_text():
    bare = FLOW.replace(", templates: {sms: reminder}", "")
    files = {"settings.yaml": EXOTEL.replace(", default_template: reminder", ""), "flows/f.yaml": bare}
    found = [each for each in compile_bundle(files, {}, "development").findings if "registered texts" in each.message]
    only(found, "warning", "flows[0].steps[0]", "may speak on sms, which takes registered texts only")


def test_a_template_is_filled_by_the_names_of_its_variables():
    bundle = check(EXOTEL, template("Dear {{ contact.name }}, {{amount|inr_ascii}} and {{amount|inr_ascii}}")).bundle
    assert bundle is not None
    known = bundle.templates["sms"]["reminder"]
    values = {"contact_name": "Priya {{x}}", "amount": "Rs 5"}
    assert known.filled(values) == "Dear Priya {{x}}, Rs 5 and Rs 5"
    assert known.filled({"contact_name": "Priya"}) == "Dear Priya, {{amount|inr_ascii}} and {{amount|inr_ascii}}"
