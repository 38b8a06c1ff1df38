"""The demo as somebody runs it: from a fresh folder, in a process of its own; its exit code says whether all was seen."""

import subprocess
import sys
from pathlib import Path

import pytest

from libs.kit.embedded_process import free_port
from services.cli.stories import Wanted, story_of
from tests.services.cli.conftest import REPOSITORY, bundle_with

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
ONCE = "the ERP was told once"
WANDERED = "one conversation and one state map over email, whatsapp, chat, sms"
TOLD: dict[Wanted, list[str]] = {"whatsapp": [ONCE], "all": [ONCE, WANDERED]}
"""The second goes over each of the written channels."""


def demo(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`converse demo` on embedded servers in `folder`, in an environment without anything of ours."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", *arguments],
        cwd=REPOSITORY,
        env={"PATH": PATH, "HOME": str(folder), "CONVERSE_DATA": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("channel", TOLD)
def test_the_demo_sees_every_step_in_order_and_ends_well(tmp_path: Path, channel: Wanted):
    shown = demo(tmp_path / "data", "--channel", channel, CONVERSE_PORT=str(free_port()))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    ticked = [line.strip().removeprefix("✔ ") for line in shown.stdout.splitlines() if line.strip().startswith("✔")]
    story = story_of(channel)
    assert ticked == [*(step.title for step in (*story.before, *story.morning, *story.afterwards)), *TOLD[channel]]
    assert "Every step was seen." in shown.stdout
    assert "20 February" in shown.stdout
    assert "Traceback" not in shown.stderr


@pytest.mark.slow
def test_a_demo_in_which_no_rule_matches_says_so_and_fails(tmp_path: Path):
    bundle = bundle_with(tmp_path / "bundle", "operator: gte, value: 3", "operator: gte, value: 300")
    shown = demo(tmp_path / "data", "--patience", "20", CONVERSE_CONFIG=str(bundle), CONVERSE_PORT=str(free_port()))
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "✔ the event is stored" in shown.stdout
    assert "✘ not seen: a rule matched, and why" in shown.stdout
    assert "Traceback" not in shown.stderr


@pytest.mark.slow
def test_a_story_that_cannot_wander_says_so_and_fails(tmp_path: Path):
    bundle = bundle_with(tmp_path / "bundle", "  chat:\n    enabled: true", "  chat:\n    enabled: false")
    shown = demo(
        tmp_path / "data",
        "--channel",
        "all",
        "--patience",
        "20",
        CONVERSE_CONFIG=str(bundle),
        CONVERSE_PORT=str(free_port()),
    )
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "✔ he is answered on WhatsApp" in shown.stdout
    assert "✘ not seen: Vikram goes on in the chat" in shown.stdout
