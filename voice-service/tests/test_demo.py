"""The whole journey by phone: from the ERP's event over HTTP to its own books, as `make demo-voice` runs it."""

import subprocess
import wave
from pathlib import Path

import pytest
from voice_world import ROOT

from libs.kit.embedded_process import free_port

SECONDS = 240


@pytest.mark.timeout(SECONDS + 30)
def test_an_overdue_invoice_becomes_a_call_a_message_and_a_promise_in_the_erp(tmp_path: Path):
    environment = {"PATH": "/usr/bin:/bin", "CONVERSE_DATA": str(tmp_path), "CONVERSE_PORT": str(free_port())}
    shown = subprocess.run(  # noqa: S603 - our own
        [ROOT / ".venv/bin/converse", "demo", "--channel", "voice"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    told = shown.stdout + shown.stderr
    assert shown.returncode == 0, told[-4000:]
    for step in (
        "it goes out while she speaks",
        "during the call",
        "the ERP took the promise",
        "the ERP was told once",
    ):
        assert step in told
    assert "₹/min" in told
    with wave.open(str(tmp_path / "demo" / "call.wav")) as heard:
        frames, rate = heard.getnframes(), heard.getframerate()
        left_and_right = heard.readframes(frames)
        assert (heard.getnchannels(), rate) == (2, 8000)
    assert frames / rate > 15
    for side in (0, 2):
        samples = [left_and_right[at : at + 2] for at in range(side, len(left_and_right), 400)]
        assert sum(sample not in (b"\0\0", b"") for sample in samples) > 20, "both are heard"
    assert "<svg" in (tmp_path / "demo" / "call.svg").read_text()
