"""Structured logging: JSON lines in production, readable ones in a terminal, and never a contact's words."""

import logging
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

Format = Literal["json", "console"]


def configure(form: Format = "json", level: str = "info", *, pii: bool = False, stream: TextIO | None = None) -> None:
    """Send our log and that of the libraries to `stream` (standard error by default).

    Personal text may only be logged under keys that start with `pii.`; they are dropped unless `pii` is true, and so is what
    exceptions say, from the JSON lines.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    target = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        *(() if pii else (_drop_personal,)),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(form, pii=pii, colors=target.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for noisy in ("httpx", "httpx2", "httpcore", "uvicorn.access"):  # they log full URLs, which may hold an address
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))


def _renderers(form: Format, *, pii: bool, colors: bool) -> list[Processor]:
    if form == "json":
        whole = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        tracebacks = structlog.processors.ExceptionRenderer(
            whole if pii else lambda raised: [_without_words(stack) for stack in whole(raised)]
        )
        return [tracebacks, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]


def _without_words(stack: dict[str, Any]) -> dict[str, Any]:
    """A traceback without what the exceptions say: that may quote a contact. Kind and place remain."""
    inner = [[_without_words(each) for each in group] for group in stack.get("exceptions") or []]
    return stack | {"exc_value": "", "exc_notes": [], "exceptions": inner}


def _drop_personal(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    for key in [key for key in event if key.startswith("pii.")]:
        del event[key]
    return event
