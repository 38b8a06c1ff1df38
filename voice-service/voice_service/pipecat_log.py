"""What Pipecat logs, in our log: the place and the kind. Its sentences quote what is said, and its tracebacks show variables."""

from typing import TYPE_CHECKING

import structlog
from loguru import logger

if TYPE_CHECKING:
    from loguru import Message

log = structlog.get_logger(__name__)


def into_ours() -> None:
    """Warnings and errors of Pipecat's go to our log, whose rules for personal text hold for them, too."""
    logger.remove()
    logger.add(_told, level="WARNING", format="{message}", backtrace=False, diagnose=False, catch=True)


def _told(message: "Message") -> None:
    record = message.record
    raised = record["exception"]
    kind = None if raised is None or raised.type is None else raised.type.__name__
    words = {"pii.message": record["message"]}
    tell = log.warning if record["level"].name == "WARNING" else log.error
    tell("pipecat said something", where=f"{record['name']}:{record['line']}", kind=kind, **words)
