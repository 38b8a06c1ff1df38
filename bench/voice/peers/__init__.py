"""Others who can hold the same calls: each a program of its own, over the same providers, in an environment of its own.

A peer's program (`agent_*.py`) takes `{"port", "providers"}` in JSON and answers calls at `/media` of that port as Exotel's
media stream brings them. Nothing is tuned: they run as their documentation begins.
"""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.relay import ROOT
from bench.voice import ours
from bench.voice.processes import Load, agent
from bench.voice.script import Pace
from libs.kit.embedded_process import free_port

HERE = Path(__file__).parent
CACHE = ROOT / ".artefacts" / "voice-peers"
RAMP_S = 0.25
PACE = Pace(waits=ours.NO_WAITS)
"""Theirs is the same 150 + 180 + 90 ms; whatever else they wait for is their own."""

NOT_THE_SAME = """\
ours dials over Exotel, tells every turn as a fact to Postgres and waits as the Indian preset says after the last word \
(350 ms, 250 after a question; `added` leaves that out, `total` has it; the row without the preset has no such wait). The others \
are handed open media streams, keep nothing, and their own endpointing is in both columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`requirements` is a lock file beside this one; None: the voice service's environment has it."""

    name: str
    program: str
    requirements: str | None = None
    options: str = ""
    environment: tuple[tuple[str, str], ...] = ()

    @asynccontextmanager
    async def up(self, load: Load) -> "AsyncIterator[tuple[int, Callable[[int], Awaitable[None]]]]":
        """Its process id, and how calls come to it."""
        port = free_port()
        given = json.dumps({"port": port, "providers": load.port, "options": self.options})
        python, folder = self.python(), CACHE / self.name
        folder.mkdir(parents=True, exist_ok=True)  # bolna keeps a log of every call in the folder where it runs
        async with agent([python, HERE / self.program, given], port, dict(self.environment), folder=folder) as pid:

            async def ring(calls: int) -> None:
                await load.do("open", urls=[f"ws://127.0.0.1:{port}/media"] * calls, every_s=RAMP_S)

            yield pid, ring

    def python(self) -> Path:
        """The Python of its environment, made on first use and kept where git does not look."""
        if self.requirements is None:
            return ours.PYTHON
        lock, home = HERE / self.requirements, CACHE / self.name
        python, installed = home / "bin" / "python", home / ".installed"
        if not installed.exists() or installed.read_text() != lock.read_text():
            print(f"  … installing {self.name} beside us", file=sys.stderr, flush=True)
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            # The lock has all of them; pip's own search would ask for pins of extras, too.
            how = ["--quiet", "--no-deps", "--require-hashes", "-r", str(lock)]
            subprocess.run([python, "-m", "pip", "install", *how], check=True)
            installed.write_text(lock.read_text())
        return python


PEERS = (
    Peer(name="pipecat", program="agent_pipecat.py"),
    Peer(name="pipecat-flux", program="agent_pipecat.py", options="flux"),
    Peer(name="bolna", program="agent_bolna.py", requirements="bolna.lock"),
    Peer(name="livekit", program="agent_livekit.py", requirements="livekit.lock"),
)
