"""The command line on a database of one's own."""

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from libs.testkit.servers import MASTER
from services.cli.__main__ import app

REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = REPOSITORY / "infra" / "config"
Converse = Callable[..., Awaitable[Result]]


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    """What `converse` reads: the test's database, a folder of its own, the tests' master key."""
    return {
        "CONVERSE_DATABASE_URL": database,
        "CONVERSE_DATA": str(tmp_path / "data"),
        "CONVERSE_MASTER_KEY": base64.b64encode(MASTER).decode(),
        "CONVERSE_PROFILE": "development",
    }


def run(*arguments: str, environment: dict[str, str]) -> Result:
    """`converse …` in this process."""
    names = ("CONVERSE_CONFIG", "CONVERSE_NATS_URL", "CONVERSE_PORT")
    known: dict[str, str | None] = dict.fromkeys(names)
    with _logged_aside():
        return CliRunner().invoke(app, arguments, env=known | environment, catch_exceptions=False)


@contextmanager
def _logged_aside() -> Iterator[None]:
    """As the console script has it: the log does not stand in what a command says."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    try:
        yield
    finally:
        structlog.configure(**before)


def bundle_with(folder: Path, old: str, new: str) -> Path:
    """A copy of the shipped bundle in which some words are others."""
    for file in SHIPPED.rglob("*.yaml"):
        target = folder / file.relative_to(SHIPPED)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return folder


@pytest.fixture
def converse(environment: dict[str, str]) -> Converse:
    """`await converse("keys", "create", …)`: a command of its own event loop, away from the test's."""

    async def call(*arguments: str, **more: str) -> Result:
        return await asyncio.to_thread(run, *arguments, environment=environment | more)

    return call
