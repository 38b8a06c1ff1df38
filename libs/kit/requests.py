"""What every HTTP service does with a request: read its body, its idempotency key and its parameters, answer when durable."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import structlog
from litestar import Request
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Parameter, RequestBody, Schema

from libs.kit import postgres
from libs.kit.failures import describe
from libs.kit.problems import Problem
from libs.kit.store import FactTooLarge, Overloaded, Unavailable

log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]
MEDIA_TYPES = ("application/json", "application/x-www-form-urlencoded", "text/plain")
"""What JSON is taken as: curl says the second where it is told nothing."""
MAX_KEY = 200

T = TypeVar("T")
R = TypeVar("R")


def wrong(place: str, path: str, message: str) -> Problem:
    """422 for one thing of the request (`place`: body, query, path, header) that cannot be meant."""
    finding = {"in": place, "path": path, "message": message}
    return Problem(422, "The request cannot be meant", f"{path}: {message}", errors=[finding])


async def body(request: AnyRequest, shape: type[T]) -> T:
    """The body as `shape`. Raises Problem: 415 for another media type, 400 for no JSON, 422 for another shape."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise Problem(415, "Unsupported media type", f"send application/json, not {media_type!r}")
    raw = await request.body()
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        finding = {"in": "body", "path": path.rstrip("`") or "$", "message": message}
        raise Problem(422, "The request has the wrong shape", str(error), errors=[finding]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "The body is not valid JSON", str(error)) from error
    except RecursionError as error:
        raise Problem(400, "The body is nested too deeply", "nobody can mean so many levels of JSON") from error


def takes(shape: type[msgspec.Struct]) -> type[Operation]:
    """For `operation_class`: the OpenAPI document says that a handler reads its body as `shape`, and an Idempotency-Key."""
    (_, components) = msgspec.json.schema_components((shape,))
    described: Any = components[shape.__name__]  # a document may hold a plain dict where the type wants its own class
    key = Parameter(
        name="Idempotency-Key",
        param_in="header",
        schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=MAX_KEY),
        description="A retry with the same key and content changes nothing.",
    )

    @dataclass
    class Takes(Operation):
        def __post_init__(self) -> None:
            self.request_body = RequestBody(content={MEDIA_TYPES[0]: OpenAPIMediaType(schema=described)}, required=True)
            self.parameters = [*(self.parameters or []), key]

    return Takes


def idempotency_key(request: AnyRequest) -> str | None:
    """The Idempotency-Key, with or without the quotes of a structured field. Raises Problem 422."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not 1 <= len(key) <= MAX_KEY:
        raise wrong("header", "Idempotency-Key", f"1 to {MAX_KEY} characters are allowed, this has {len(key)}")
    if not key.isprintable():
        raise wrong("header", "Idempotency-Key", "control characters are not allowed")
    return key


async def durably(work: Awaitable[R]) -> R:
    """503 while the log cannot take or give anything; the sender tries again, with the same id. 413 for what is too large."""
    try:
        return await work
    except FactTooLarge as error:
        raise Problem(413, "The request is too large", str(error)) from error
    except Exception as error:
        if not (isinstance(error, Overloaded | Unavailable) or postgres.is_away(error)):
            raise
        kind = type(error).__name__
        log.warning("a request is refused for now", error=kind, because=describe(error.__cause__ or error))
        away = f"Postgres is away ({kind}); try again later"
        detail = str(error) if isinstance(error, Overloaded | Unavailable) else away
        raise Problem(503, "The log cannot take this now", detail, headers={"retry-after": "1"}) from error
