"""The compiled bundle: stored and read back as it was, under a hash that knows its content and none of its secrets."""

import json
from decimal import Decimal

import msgspec
import pytest

from libs.config.bundle import Bundle
from libs.config.compile import compile_bundle
from libs.config.load import load_bundle
from libs.config.report import as_json, as_text
from libs.config.secrets import missing, references, resolve, resolve_all
from tests.libs.config.shipped import CREDENTIALS, FOLDER, TEXTS, changed, check

LEAST = {
    "settings.yaml": "channels: {whatsapp: {provider: meta}}\n",
    "flows/hello.yaml": "flows: [{id: general_followup, steps: [{id: hello, type: generate, system_prompt: Say hello}]}]\n",
    "templates/whatsapp.yaml": "",
}


def bundle_of(texts, env=None) -> Bundle:
    bundle = check(texts, env).bundle
    assert bundle is not None
    return bundle


def test_it_reads_back_as_it_was_stored():
    bundle = bundle_of(TEXTS)
    again = Bundle.from_json(bundle.to_json())
    assert again == bundle
    assert again.hash == bundle.hash
    assert again.to_json() == bundle.to_json()
    assert again.prices[0].amount == Decimal("0.8631")


def test_the_hash_is_the_same_for_the_same_content_wherever_it_stands():
    bundle = bundle_of(TEXTS)
    commented = {**TEXTS, "rules.yaml": "# a remark\n\n" + TEXTS["rules.yaml"]}
    together = {name: text for name, text in TEXTS.items() if name != "prices.yaml"}
    together["settings.yaml"] += TEXTS["prices.yaml"]
    assert bundle_of(commented).hash == bundle_of(together).hash == bundle.hash
    loaded = load_bundle(FOLDER, {}, "development").bundle
    assert loaded is not None
    assert loaded.hash == bundle.hash


def test_the_hash_changes_with_the_content():
    texts, _ = changed("policy.yaml", "per_day: 3", "per_day: 2")
    assert bundle_of(texts).hash != bundle_of(TEXTS).hash


def test_secrets_are_neither_stored_nor_hashed():
    with_secrets = bundle_of(TEXTS, CREDENTIALS)
    assert with_secrets.hash == bundle_of(TEXTS).hash
    stored = with_secrets.to_json().decode()
    assert "${WHATSAPP_APP_SECRET}" in stored
    for secret in ("a-secret", "another-token", "a-token", "a-key"):
        assert secret not in stored


def test_what_is_stored_is_json_with_sorted_keys():
    stored = json.loads(bundle_of(TEXTS).to_json())
    assert list(stored) == sorted(stored)


def test_other_content_is_no_bundle():
    with pytest.raises(msgspec.ValidationError):
        Bundle.from_json(b'{"rules": "none"}')


def test_a_mapping_is_compiled():
    settings = TEXTS["settings.yaml"].replace(
        "  poll:", "  mapping: {get_contact: {channels: \"phones[].{channel: 'whatsapp', address: number}\"}}\n  poll:"
    )
    bundle = bundle_of({**TEXTS, "settings.yaml": settings})
    answer = {"phones": [{"number": "+919876543210"}]}
    found = bundle.mapping["get_contact"]["channels"].search(answer)
    assert found == [{"channel": "whatsapp", "address": "+919876543210"}]


def test_the_least_bundle_is_a_bundle():
    loaded = compile_bundle(LEAST, {}, "development")
    assert loaded.bundle is not None
    assert loaded.bundle.channel_mode("whatsapp", {}) == "sandbox"
    assert loaded.bundle.policy.timezone == "Asia/Kolkata"
    assert loaded.bundle.policy.turns_without_progress == 6


def test_how_long_the_agent_talks_in_circles_is_the_policys():
    loaded = compile_bundle(LEAST | {"policy.yaml": "policy: {turns_without_progress: 3}"}, {}, "development")
    assert loaded.bundle is not None
    assert loaded.bundle.policy.turns_without_progress == 3
    wrong = compile_bundle(LEAST | {"policy.yaml": "policy: {turns_without_progress: 0}"}, {}, "development")
    assert [each.path for each in wrong.findings if each.severity == "error"] == ["policy.turns_without_progress"]


def test_on_is_a_word():
    assert [rule.on for rule in bundle_of(TEXTS).rules] == [
        "invoice_overdue",
        "order_placed",
        "shipment_delayed",
        "invoice_overdue",
        "invoice_overdue",
        "invoice_issued",
    ]


def test_maps_and_rules_may_stand_in_the_settings_and_all_flows_in_one_file():
    texts = {name: text for name, text in TEXTS.items() if name.startswith("templates/") or name == "policy.yaml"}
    texts["settings.yaml"] = "\n".join(
        TEXTS[name] for name in ("settings.yaml", "rules.yaml", "state_maps.yaml", "prices.yaml")
    )
    flows = [TEXTS[name].partition("flows:\n")[2] for name in TEXTS if name.startswith("flows/")]
    texts["flows/dialogue_flows.yaml"] = "flows:\n" + "\n".join(flows)
    merged, shipped = bundle_of(texts), bundle_of(TEXTS)
    assert (merged.rules, merged.flows, merged.state_maps) == (shipped.rules, shipped.flows, shipped.state_maps)


def test_a_key_of_two_files_is_refused():
    texts = {**TEXTS, "more.yaml": "llm: {model: claude-sonnet-5-5}\n"}
    (found,) = check(texts).errors
    assert (found.file, found.line, found.path) == (
        "settings.yaml",
        TEXTS["settings.yaml"].split("llm:")[0].count("\n") + 1,
        "llm",
    )
    assert found.hint == "it is defined in more.yaml:1 already"


def test_a_flow_of_two_files_is_refused():
    texts = {**TEXTS, "flows/zz.yaml": TEXTS["flows/general.yaml"]}
    (found,) = check(texts).errors
    assert (found.file, found.path) == ("flows/zz.yaml", "flows[0].id")
    assert "'general_followup' is defined twice" in found.message
    assert found.hint == "it is defined in flows/general.yaml:3 already"


def test_a_channel_of_a_template_file_is_known():
    (found,) = check({**TEXTS, "templates/whatsap.yaml": "templates: []\n"}).errors
    assert (found.file, found.hint) == ("templates/whatsap.yaml", "did you mean 'whatsapp'?")


@pytest.mark.parametrize("text", ["- a list\n", "just a text\n", "a: [1\nb: 2\n", "a: *nobody\n", "a: !!python/object x\n", "? {a: 1}\n: 2\n", "---\na: 1\n---\nb: 2\n", "\tx: 1\n", "a: \x00\n", "a: &x [*x]\n", "a: " + "[" * 3000 + "]" * 3000 + "\n"])  # fmt: skip
def test_what_is_no_mapping_is_refused_and_nothing_breaks(text):
    loaded = check({**TEXTS, "odd.yaml": text})
    assert loaded.bundle is None
    assert {each.file for each in loaded.errors} == {"odd.yaml"}


@pytest.mark.parametrize(
    "key", ["rules", "state_maps", "flows", "policy", "prices", "backend", "channels", "llm", "voice", "database"]
)
@pytest.mark.parametrize("value", ["7", "text", "[1, [2], {a: 3}]", "{a: {b: [c]}}"])
def test_whatever_stands_under_a_key_is_a_finding_and_never_an_exception(key, value):
    loaded = compile_bundle({"settings.yaml": f"{key}: {value}\n"}, {}, "development")
    assert loaded.bundle is None
    assert all(each.file == "settings.yaml" and each.line == 1 for each in loaded.errors)


def test_a_folder_that_is_not_there_or_empty_is_said(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        loaded = load_bundle(folder, {}, "development")
        assert loaded.bundle is None
        assert len(loaded.errors) == 1


def test_files_that_are_not_read_are_said(tmp_path):
    for name, text in TEXTS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "more.yml").write_text("rules: []\n", encoding="utf-8")
    loaded = load_bundle(tmp_path, {}, "development")
    assert loaded.bundle is not None
    assert [each.file for each in loaded.findings if "not read" in each.message] == ["more.yml"]
    (tmp_path / "bad.yaml").write_bytes(b"llm: \xff\n")
    assert load_bundle(tmp_path, {}, "development").bundle is None


def test_production_refuses_what_would_silently_be_the_sandbox():
    errors = check(profile="production").errors
    assert [each.path for each in errors] == [
        "backend",
        "backend.auth_credentials.token",
        "llm",
        *(f"channels.whatsapp.credentials.{key}" for key in ("phone_id", "access_token", "verify_token", "app_secret")),
        "channels.email.credentials.password",
        "channels.chat.credentials.token_secret",
        *(f"channels.sms.credentials.{key}" for key in ("account_sid", "api_key", "api_token", "webhook_secret")),
        *(f"channels.voice.credentials.telephony_{key}" for key in ("account_sid", "auth_token", "phone_number")),
        *(f"channels.voice.credentials.{key}" for key in ("stt_api_key", "tts_api_key")),
    ]
    off, _ = changed("settings.yaml", "enabled: true", "enabled: false")
    assert not any("whatsapp" in each.path for each in check(off, profile="production").errors)


def test_some_credentials_in_development_are_a_warning():
    loaded = check(env={"WHATSAPP_PHONE_ID": "106540352242922"})
    assert loaded.bundle is not None
    assert [each.path for each in loaded.findings if each.file == "settings.yaml"] == [
        f"channels.whatsapp.credentials.{key}" for key in ("access_token", "verify_token", "app_secret")
    ]


def test_references_are_resolved_on_use():
    env = {"A": "1", "EMPTY": ""}
    assert references("${A}-${B}") == ("A", "B")
    assert resolve("x${A}", env) == "x1"
    assert resolve("${B}", env) is None
    assert resolve("${EMPTY}", env) is None
    assert resolve(None, env) is None
    assert resolve_all({"a": "${A}", "b": "${B}", "c": "plain"}, env) == {"a": "1", "b": None, "c": "plain"}
    assert missing({"a": "${A}", "b": "${B}"}, env) == ("B",)


def test_findings_print_as_text_and_as_json():
    texts, line = changed("rules.yaml", "cooldown: 24h", "cooldwn: 24h")
    errors = check(texts).errors
    text = as_text(errors)
    assert f"rules.yaml:{line}: error: rules[0].cooldwn: a rule has no key 'cooldwn'\n" in text
    assert "did you mean 'cooldown'?" in text
    assert text.endswith("1 error, 0 warnings\n")
    (found,) = json.loads(as_json(errors))
    assert found["severity"] == "error"
    assert set(found) == {"severity", "file", "line", "path", "message", "hint"}


def test_a_path_with_names_may_stand_unquoted_in_braces():
    texts, _ = changed(
        "settings.yaml",
        'record_promise: {method: POST, path: "/invoices/{invoice_id}/promises"}',
        "record_promise: {method: POST, path: /invoices/{invoice_id}/promises}",
    )
    assert bundle_of(texts).hash == bundle_of(TEXTS).hash
    line = "endpoints: {a: /x/{id}, b: /y/{id}/z, c: {path: /z/{id}}}\n"
    loaded = compile_bundle({**LEAST, "erp.yaml": "backend:\n  " + line}, {}, "development")
    assert loaded.bundle is not None
    assert {name: each.path for name, each in loaded.bundle.settings.backend.endpoints.items()} == {
        "a": "/x/{id}",
        "b": "/y/{id}/z",
        "c": "/z/{id}",
    }
