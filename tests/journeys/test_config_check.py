"""Ten deliberate mistakes in the shipped bundle: `converse config check` refuses each with file, line, path and a hint."""

import shutil
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from libs.config.findings import Finding
from services.cli.__main__ import app
from services.cli.settings import SHIPPED_BUNDLE
from services.cli.system import BundleRefused, checked_bundle
from tests.journeys.town import settings_of

RUNNER = CliRunner()

MISTAKES = {
    "a mistyped key": ("rules.yaml", "    cooldown: 24h", "    cooldwn: 24h", "cooldown"),
    "an unknown state": ("state_maps.yaml", "        to_state: reminded", "        to_state: remindd", "reminded"),
    "an unknown flow": ("rules.yaml", "flow: payment_reminder", "flow: payment_remainder", "payment_reminder"),
    "an unknown endpoint": ("state_maps.yaml", "endpoint: record_promise", "endpoint: record_promis", "record_promise"),
    "an unknown operator": ("rules.yaml", "operator: gte, value: 3", "operator: gtee, value: 3", "gte"),
    "a state that cannot be reached": (
        "state_maps.yaml",
        "states: [pending, reminded,",
        "states: [pending, forgotten, reminded,",
        "transition",
    ),
    "a name that cannot exist": ("flows/payment.yaml", "{{extracted_info.payment_date}}", "{{extractd_info.date}}", ""),
    "a step that is not built": ("flows/payment.yaml", "type: branch", "type: collect", ""),
    "YAML that is none": ("policy.yaml", "policy:\n", "policy: [\n", ""),
    "a price without a date": ("prices.yaml", "effective: 2026-01-01, ", "", "effective"),
}


@pytest.mark.parametrize(("file", "old", "new", "right"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_refused_with_file_line_path_and_hint(tmp_path: Path, file: str, old: str, new: str, right: str):
    folder = tmp_path / "bundle"
    shutil.copytree(SHIPPED_BUNDLE, folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    line = text[: text.index(old)].count("\n") + 1

    told = RUNNER.invoke(app, ["config", "check", str(folder), "--json"])
    assert told.exit_code == 1
    errors = [each for each in msgspec.json.decode(told.stdout, type=list[Finding]) if each.severity == "error"]
    mine = [each for each in errors if each.file == file and abs(each.line - line) <= 2]
    assert mine, errors
    assert mine[0].message
    assert mine[0].hint
    assert right in " ".join(each.message + each.hint for each in mine)

    read = RUNNER.invoke(app, ["config", "check", str(folder)])
    assert read.exit_code == 1
    assert f"{file}:{mine[0].line}: error: " in read.stdout

    with pytest.raises(BundleRefused):
        checked_bundle(settings_of(tmp_path, database_url=None, nats_url=None, config=folder))


def test_the_shipped_bundle_is_right():
    assert RUNNER.invoke(app, ["config", "check"]).exit_code == 0


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path):
    told = RUNNER.invoke(app, ["config", "check", str(tmp_path / "nowhere")])
    assert told.exit_code == 1
    assert "nowhere" in told.stdout
