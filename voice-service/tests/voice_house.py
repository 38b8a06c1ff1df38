"""Voice workers as processes: started, told to drain, and killed, as whoever deploys them would."""

import asyncio
import base64
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from voice_world import Voice

from libs.kit.embedded_process import Child, free_port
from libs.testkit.servers import MASTER

HERE = Path(__file__).resolve().parent
READY_S = 60.0
_HELD = """SELECT c.call FROM voice.call c JOIN voice.worker w ON w.id = c.held_by
WHERE c.state <> 'over' AND w.name = $1"""


def sandbox_urls(sandbox: str) -> dict[str, str]:
    """Where a sandbox's emulators are, by provider."""
    paths = {"telephony": "exotel", "stt": "deepgram", "tts": "cartesia", "llm": "anthropic"}
    paths["tts_elevenlabs"] = "elevenlabs"
    return {name: f"{sandbox}/sandbox/{path}" for name, path in paths.items()}


@dataclass(slots=True)
class WorkerProcess:
    """One process. `memory` is what it took, in MB, by its age in seconds."""

    name: str
    port: int
    child: Child
    began: float
    memory: list[tuple[float, float]] = field(default_factory=list)
    code: int | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self.child.running

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.child.pid, number)

    def measure(self) -> None:
        """Note the resident memory."""
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
            kilobytes = int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
            self.memory.append((time.monotonic() - self.began, kilobytes / 1024))


@dataclass(slots=True, kw_only=True)
class House:
    """The workers over one database; `voice` is what their neighbours see. `lease` None: the product's own."""

    voice: Voice
    database: str
    nats: str
    folder: Path
    lease: timedelta | None = None
    calls: int = 25
    workers: list[WorkerProcess] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    """What its processes are told besides."""

    async def start(self, name: str) -> WorkerProcess:
        """A new process, once it is ready."""
        port = free_port()
        child = Child(name, self.folder / f"{name}.{len(self.workers):03}.log")
        urls = sandbox_urls(self.voice.sandbox)
        environment = {
            "PATH": os.environ.get("PATH", ""),  # noqa: TID251
            "PYTHONPATH": str(HERE),
            "CONVERSE_DATABASE_URL": self.database,
            "CONVERSE_NATS_URL": self.nats,
            "CONVERSE_MASTER_KEY": base64.b64encode(MASTER).decode(),
            "CONVERSE_PROFILE": "development",
            "CONVERSE_HOST": "127.0.0.1",
            "CONVERSE_PORT": str(port),
            "CONVERSE_VOICE_ORIGIN": f"http://127.0.0.1:{port}",
            "CONVERSE_VOICE_WORKER": name,
            "CONVERSE_VOICE_CALLS": str(self.calls),
            **self.environment,
            **{f"CONVERSE_SANDBOX_{provider.upper()}_URL": url for provider, url in urls.items()},
        }
        module = "voice_service"
        if self.lease is not None:
            module = "worker_process"
            environment["VOICE_TEST_LEASE_S"] = str(self.lease.total_seconds())
        child.spawn([sys.executable, "-m", module], cwd=HERE.parent, env=environment)
        worker = WorkerProcess(name, port, child, time.monotonic())
        self.workers.append(worker)
        deadline = time.monotonic() + READY_S
        while not await self._ready(worker):
            assert worker.running, f"{name} has ended:\n{child.tail(40)}"
            assert time.monotonic() < deadline, f"{name} is not ready after {READY_S:.0f} s:\n{child.tail(40)}"
            await asyncio.sleep(0.1)
        return worker

    async def gone(self, worker: WorkerProcess, *, seconds: float) -> None:
        """Wait until a process has ended. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while worker.running:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        """End what still runs."""
        for worker in self.workers:
            await worker.child.stop((signal.SIGKILL,))

    async def holds(self, worker: WorkerProcess) -> set[str]:
        """The calls that a process holds."""
        rows = await self.voice.store.pool.fetch(_HELD, worker.name)
        return {str(row["call"]) for row in rows}

    async def active(self, worker: WorkerProcess) -> list[dict[str, Any]]:
        """The calls that go on in a process."""
        return [each for each in await self.known(worker) if each["worker"] == worker.name]

    async def known(self, worker: WorkerProcess) -> list[dict[str, Any]]:
        """The calls that go on in all processes, as one of them says."""
        answer = await self.voice.client.get(f"{worker.origin}/api/v1/voice/calls")
        answer.raise_for_status()
        calls: list[dict[str, Any]] = answer.json()["calls"]
        return calls

    async def _ready(self, worker: WorkerProcess) -> bool:
        try:
            answer = await self.voice.client.get(f"{worker.origin}/health/ready", timeout=3)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200
