"""The environment of the LangGraph side, beside ours."""

import subprocess
import sys
from pathlib import Path

from bench.relay import ROOT

LANGGRAPH = ROOT / "bench" / "langgraph"
ENVIRONMENT = ROOT / ".artefacts" / "langgraph"


def langgraph() -> Path:
    """The Python of an environment that has LangGraph; made on first use."""
    python = ENVIRONMENT / "bin" / "python"
    installed = ENVIRONMENT / ".installed"
    lock = LANGGRAPH / "requirements.lock"
    if not installed.exists() or installed.read_text() != lock.read_text():
        print("  … installing LangGraph beside us", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock], check=True)
        installed.write_text(lock.read_text())
    return python
