"""Scenarios are checked as the bundle is: what is wrong in one is found at its line, with what would be right."""

from pathlib import Path

import pytest

from libs.config.findings import Finding
from libs.config.load import load_bundle, load_scenarios
from libs.config.scenario import Scenario
from tests.libs.config.shipped import FOLDER, shipped

STORY = """about: Somebody who pays.
process: payment_collection
language: hinglish
persona: {name: Priya Sharma}
event: {name: invoice_overdue, data: {invoice_number: INV-1}}
story:
  - says: 20 February tak
    expect: {state: promised, intents: [promise_to_pay], tools: [record_promise]}
  - waits: 2d
expect: {outcome: open, messages: [{channel: whatsapp, template: payment_reminder}]}
never: [{state: overdue, until: promised}]
limits: {words: 40, money: {INR: 100}}
"""
BUNDLE = shipped()


def read(folder: Path, text: str) -> tuple[tuple[Scenario, ...], tuple[Finding, ...]]:
    """The scenario of a bundle's folder."""
    (folder / "scenarios" / "payment").mkdir(parents=True)
    (folder / "scenarios" / "payment" / "one.yaml").write_text(text, encoding="utf-8")
    return load_scenarios(folder, BUNDLE)


def test_a_story_is_read_with_its_persona_steps_and_limits(tmp_path: Path):
    (story,), findings = read(tmp_path, STORY)
    assert not findings
    assert (story.name, story.language, story.persona.channels) == (
        "payment/one",
        "hinglish",
        ("whatsapp", "email", "sms"),
    )
    said, waited = story.story
    assert (said.says, said.after_s, said.line, said.expect.tools[0].endpoint) == (
        "20 February tak",
        120,
        7,
        "record_promise",
    )
    assert waited.waits_s == 2 * 86_400
    assert story.limits.money == {"INR": 100}


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "message", "hint"),
    [
        ("about: Somebody who pays.\n", "", 1, "", "a scenario has no 'about'", "add `about: "),
        ("payment_collection", "payment_colection", 2, "process", "no process 'payment_colection'", "'payment_collection'"),
        ("hinglish", "hindi", 3, "language", "is no language", "'hinglish'"),
        ("{name: Priya Sharma}", "{name: P, channels: [fax]}", 4, "persona.channels[0]", "'fax' is no channel", "known are"),
        ("invoice_overdue", "invoice_overdu", 5, "event.name", "hears 'invoice_overdu'", "'invoice_overdue'"),
        ("says: 20", "says: 20\n    waits: 3d\n    after: 20", 7, "story[0]", "one thing, not 2", "one of says"),
        ("state: promised,", "state: promisd,", 8, "story[0].expect.state", "no state 'promisd'", "'promised'"),
        ("[promise_to_pay]", "[promise_to_pa]", 8, "story[0].expect.intents[0]", "no intent", "'promise_to_pay'"),
        ("[record_promise]", "[record_promis]", 8, "story[0].expect.tools[0]", "no endpoint", "'record_promise'"),
        ("waits: 2d", "waits: two days", 9, "story[1].waits", "must be a duration", "such as 24h"),
        ("waits: 2d", "operator: mark_payed", 9, "story[1].operator", "no manual trigger", "'mark_paid'"),
        ("outcome: open", "outcome: opened", 10, "expect.outcome", "is no outcome", "'open'"),
        ("template: payment_reminder", "template: payment_remindr", 10, "expect.messages[0].template", "no template", "'payment_reminder'"),
        ("until: promised", "until: done", 11, "never[0].until", "no state 'done'", "known are"),
        ("never: [{state: overdue,", "never: [{", 11, "never[0]", "one thing that must not happen", "one of says"),
        ("money: {INR: 100}", "money: {INR: 1.5}", 12, "limits.money.INR", "whole minor units", "paise"),
        ("limits:", "limit:", 12, "limit", "a scenario has no key 'limit'", "'limits'"),
        ("about:", "starts: soon\nabout:", 1, "starts", "is no day and time", "the zone is the policy's"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_was_made(
    old: str, new: str, line: int, path: str, message: str, hint: str, tmp_path: Path
):
    assert old in STORY
    stories, findings = read(tmp_path, STORY.replace(old, new, 1))
    found = [each for each in findings if (each.line, each.path) == (line, path)]
    assert found, findings
    assert any(message in each.message and hint in each.hint for each in found), found
    assert found[0].file == "scenarios/payment/one.yaml"
    assert not stories


def test_what_is_no_yaml_is_found_and_the_others_are_read(tmp_path: Path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "bad.yaml").write_text("about: a: b\n", encoding="utf-8")
    stories, findings = read(tmp_path, STORY)
    assert [each.name for each in stories] == ["payment/one"]
    assert [each.file for each in findings] == ["scenarios/bad.yaml"]


def test_scenarios_are_no_part_of_the_bundle(tmp_path: Path):
    for file in FOLDER.rglob("*.yaml"):
        target = tmp_path / file.relative_to(FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "scenarios" / "more.yaml").write_text(STORY, encoding="utf-8")
    again = load_bundle(tmp_path, {}, "development").bundle
    assert again is not None
    assert again.hash == BUNDLE.hash
