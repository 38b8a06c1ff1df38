"""How work on facts fails: for a reason that passes by itself, or for one that a person has to see."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import structlog

from libs.kit import postgres
from libs.kit.store import Overloaded, Unavailable

log = structlog.get_logger(__name__)

TRANSIENT = (
    Unavailable,
    Overloaded,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # asyncpg loses count when the server dies in mid-answer
)


def passes(error: BaseException) -> bool:
    """Whether what failed may be tried again as it is, because Postgres or the way to it did."""
    return isinstance(error, TRANSIENT) or postgres.is_away(error)


@contextmanager
def left_for_later(said: str) -> Iterator[None]:
    """What fails in it for a reason that passes is logged with these words; whoever goes round in a loop tries again."""
    try:
        yield
    except Exception as error:
        if not passes(error):
            raise
        log.warning(said, error=type(error).__name__)


class Poison(Exception):
    """A handler, its rows or its facts failed for a reason that is not the weather's."""

    def __init__(self, at: int, error: Exception) -> None:
        super().__init__(str(error))
        self.at = at
        self.error = error


def describe(error: BaseException) -> str:
    """What failed and where. Messages may quote personal text and stay out of rows and logs."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    code = f" {error.sqlstate}" if isinstance(error, asyncpg.PostgresError) else ""
    return f"{type(error).__name__}{code}{where}"
