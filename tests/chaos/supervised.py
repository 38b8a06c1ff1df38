"""A service under test: one process, started again when it ends by itself, and what its log says of that."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from libs.kit import process, serve
from libs.kit.embedded_process import Child

REPOSITORY = Path(__file__).resolve().parents[2]

State = Literal["down", "up", "paused"]


@dataclass(frozen=True, slots=True)
class Fall:
    """An end that nobody asked for. `for_a_person`: on purpose, because a person has to act, and its log says so."""

    service: str
    why: str
    for_a_person: bool

    def __str__(self) -> str:
        return f"{self.service}: {self.why}"


@dataclass(slots=True)
class Service:
    """One process, started again when it ends by itself, as an orchestrator of containers would."""

    name: str
    user: str
    command: Sequence[str]
    port: int
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    state: State = "down"
    starts: int = 0
    falls: list["Fall"] = field(default_factory=list)
    """Each time that it ended although nobody killed it."""
    _child: Child | None = field(repr=False, default=None)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Spawn it; it is up before it is ready."""
        self.starts += 1
        self._child = Child(self.name, self.folder / f"{self.name}.{self.starts:03}.log")
        environment = {**self.environment, "CONVERSE_PORT": str(self.port)}
        self._child.spawn([sys.executable, "-m", *self.command], cwd=REPOSITORY, env=environment)
        self.state = "up"

    async def kill(self) -> None:
        """SIGKILL, at whatever instruction it is."""
        if self.has_fallen:
            self.falls.append(self._fall())
        self.state = "down"
        if self._child is not None:
            await self._child.stop((signal.SIGKILL,))

    def pause(self) -> None:
        self.state = "paused"
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        if self.state == "paused":
            self.state = "up"

    async def stop(self) -> None:
        """Let it drain, as a release would."""
        self.state = "down"
        if self._child is not None:
            await self._child.stop((signal.SIGTERM, signal.SIGKILL))

    @property
    def has_fallen(self) -> bool:
        return self.state == "up" and self._child is not None and not self._child.running

    def tail(self) -> str:
        return self._child.tail() if self._child is not None else ""

    def _fall(self) -> Fall:
        told = [line for line in _logged(self.tail()) if line.get("event") == process.ENDED]
        if told:
            return Fall(self.name, told[-1]["reason"], for_a_person=True)
        code = self._child.exit_code if self._child is not None else None
        words = self.tail().splitlines()[-1:] or ["(it said nothing)"]
        return Fall(self.name, f"exit code {code}, {words[0][:200]}", for_a_person=False)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.running:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, number)

    def crashes(self) -> list[str]:
        """Its loops that failed for another reason than that Postgres was away: in which life, what, and where."""
        return [
            f"{log.stem}: {line.get('loop')} {_what_was_raised(line)}"
            for log in sorted(self.folder.glob(f"{self.name}.*.log"))
            for line in _logged(log.read_text(errors="replace"))
            if line.get("event") == serve.CRASHED
        ]


def _logged(text: str) -> Iterator[dict[str, Any]]:
    """The lines of a service's log; what libraries print beside them is left out."""
    for line in text.splitlines():
        if line.startswith("{"):
            with suppress(msgspec.DecodeError):
                yield msgspec.json.decode(line)


def _what_was_raised(line: Mapping[str, Any]) -> str:
    raised = line["exception"][0]
    where = raised["frames"][-1] if raised["frames"] else {"filename": "?", "lineno": "?"}
    return f"{raised['exc_type']} at {Path(where['filename']).name}:{where['lineno']}"
