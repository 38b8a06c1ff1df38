"""The processes of a run: the load on the last core, whoever answers the calls on the first, and what the kernel says of them."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.relay import ROOT

UP_S = 60.0
ENDS_S = 15.0


class Load:
    """The far ends of the calls (load.py)."""

    def __init__(self, child: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._child = child

    async def do(self, command: str, **given: Any) -> Any:
        """One command, and what came of it."""
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(json.dumps({"do": command, **given}).encode() + b"\n")
        line = await self._child.stdout.readline()
        if not line:
            raise RuntimeError("the load ended without a word; its error stands above")
        return json.loads(line)


@asynccontextmanager
async def load() -> AsyncIterator[Load]:
    """Providers and callers, with all cores but the first."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.voice.load",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, limit=2**24,
    )  # fmt: skip
    try:
        assert child.stdout
        yield Load(child, int(await child.stdout.readline()))
    finally:
        child.terminate()
        await child.wait()


@asynccontextmanager
async def agent(
    command: Sequence[str | Path], port: int, environment: Mapping[str, str] | None = None, *, folder: Path = ROOT
) -> AsyncIterator[int]:
    """Whoever answers the calls on `port`, alone on the first core; its process id. What it writes is in `folder`."""
    child = await asyncio.create_subprocess_exec(*command, env={**os.environ, **(environment or {})}, cwd=folder)
    on_first_core(child.pid)
    try:
        await _listens(child, port)
        yield child.pid
    finally:
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), ENDS_S)
            except TimeoutError:
                child.kill()
        await child.wait()


def keep_off_first_core() -> None:
    """This process and what it starts leave the first core alone, where there is another."""
    if hasattr(os, "sched_setaffinity") and len(cores := os.sched_getaffinity(0)) > 1:  # Linux only
        os.sched_setaffinity(0, cores - {min(cores)})


def on_first_core(pid: int) -> None:
    """Bind a process that has just begun to the core that all others leave alone."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {0})


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has taken so far: seconds of a core, seconds that it waited for it, and MB now."""

    at: float
    core_s: float
    waited_s: float
    megabytes: float

    @classmethod
    def of(cls, pid: int) -> "Used":
        process = Path(f"/proc/{pid}")
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        waited = int((process / "schedstat").read_text().split()[1])
        resident = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
        assert resident
        core_s = ticks / os.sysconf("SC_CLK_TCK")
        return cls(time.monotonic(), core_s, waited / 1e9, int(resident[1]) / 1024)


async def _listens(child: asyncio.subprocess.Process, port: int) -> None:
    end = time.monotonic() + UP_S
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if child.returncode is not None or time.monotonic() > end:
                raise RuntimeError(
                    "nobody answers calls: the process did not come up; its error stands above"
                ) from None
            await asyncio.sleep(0.2)
            continue
        writer.close()
        return
