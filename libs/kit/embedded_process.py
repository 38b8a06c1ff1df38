"""A server process that lives no longer than the process which started it."""

import asyncio
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POLL_S = 0.01
MEMORY = Path("/dev/shm")  # noqa: S108 - only as a parent of a folder that mkdtemp makes
ROOM = 2 * 1024**3
GIVEN = 64  # so many ports are remembered as given: by then the server of the first has long been started

# Reads until the parent's end of the pipe closes, however the parent ended; then asks the server to stop, and clears up.
# A parent-death signal would be tied to the thread that forked, and is Linux only.
GUARD = """
read -r _
kill -INT "$1"; kill -CONT "$1"
[ -n "$2" ] || exit 0
while kill -0 "$1" 2>/dev/null; do sleep 0.1; done
rm -rf "$2"
"""


class EmbeddedServerError(Exception):
    """An embedded server could not be started; the message says which, why and what to do."""


def throw_away_place() -> Path:
    """Where data that nobody keeps lie: in memory (a database is made seven times faster there) if there are 2 GiB for it
    and programs may run, else in the temporary folder.
    """
    try:
        there = os.statvfs(MEMORY)
    except OSError:
        return Path(tempfile.gettempdir())
    roomy = there.f_bavail * there.f_frsize >= ROOM and not there.f_flag & os.ST_NOEXEC
    return MEMORY if roomy and os.access(MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port of `host` that was free a moment ago.

    It lies below those of outgoing connections (Linux: from 32768), so that none takes it while its server is started again.
    On Linux no other process that asks here is given the same while its server has yet to start.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            if sys.platform != "linux" or _given(port):
                return port


_GIVEN: deque[int] = deque()  # descriptors, which the end of the process closes


def _given(port: int) -> bool:
    """Whether we give it, and nobody else: a name that lasts as long as its socket, in the network that the port is of."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0converse-port-{port}")
    except OSError:
        name.close()
        return False
    _GIVEN.append(name.detach())
    if len(_GIVEN) > GIVEN:
        os.close(_GIVEN.popleft())
    return True


class Child:
    """One server process in a session of its own, so that Ctrl-C reaches us first and it last."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise EmbeddedServerError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with, negative for a signal; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def spawn(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        account: tuple[int, int] | None = None,
        keep: Sequence[int] = (),
        remove: Path | None = None,
    ) -> None:
        """Start the server and its guard.

        `account` = (uid, gid) to run as; `keep` = file descriptors it inherits; `remove` = a folder to delete should this
        process be killed.
        """
        uid, gid = account or (None, None)
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(os.environ if env is None else env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=[] if account else None,
                pass_fds=keep,
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self._process.pid), str(remove or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def until(self, ready: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
        """Wait until `ready()`. Raises with the end of the server's log when it exits or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                code = self._process.returncode if self._process else None
                self._dismiss()
                raise EmbeddedServerError(f"{self.name} exited with {code} while starting:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{self.name} was not ready after {timeout_s:.0f} s:\n{self.tail()}")
            await asyncio.sleep(POLL_S)

    async def stop(self, signals: Sequence[signal.Signals], *, patience_s: float = 20.0) -> None:
        """Send each signal in turn until the server has gone; the last one should be SIGKILL."""
        process = self._process
        if process is None:
            return
        for number in signals:
            if process.poll() is not None:
                break
            with suppress(ProcessLookupError):
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, patience_s)
        self._dismiss()

    def tail(self, lines: int = 12) -> str:
        """The last lines of the server's log."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return "(no log)"

    def _dismiss(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()
            if self._guard.stdin is not None:
                self._guard.stdin.close()
            self._guard = None
        self._process = None


class Claim:
    """An exclusive hold on a folder; the server inherits it, so that it lasts exactly as long as anybody uses the folder."""

    def __init__(self, folder: Path, what: str) -> None:
        self._path = folder / "lock"
        self._what = what
        self._descriptor: int | None = None

    async def take(self, *, patience_s: float = 15.0) -> int:
        """The descriptor to inherit. Waits for a former owner that is still shutting down."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise EmbeddedServerError(
                        f"{self._what} in {self._path.parent} is in use by another process: "
                        "stop it, or choose another folder with CONVERSE_DATA"
                    ) from None
                await asyncio.sleep(POLL_S)
            else:
                self._descriptor = descriptor
                return descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
