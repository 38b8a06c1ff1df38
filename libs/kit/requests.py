"""What every HTTP service does with a request: read its body, its idempotency key and its parameters, answer when durable."""

import re
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import msgspec.inspect
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

UNNAMED = "Invalid enum value"
"""Of a word that is none of a few, msgspec does not say which there are."""

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
        path = path.rstrip("`") or "$"
        if message.startswith(UNNAMED) and (allowed := _allowed(msgspec.inspect.type_info(shape), path)):
            message += f": there are {', '.join(map(str, allowed))}"
        finding = {"in": "body", "path": path, "message": message}
        raise Problem(422, "The request has the wrong shape", f"{path}: {message}", errors=[finding]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "The body is not valid JSON", str(error)) from error
    except RecursionError as error:
        raise Problem(400, "The body is nested too deeply", "nobody can mean so many levels of JSON") from error


def _allowed(known: msgspec.inspect.Type, path: str) -> tuple[Any, ...]:
    """The words that the place `$.name[…].name` of a type may hold; none where it may hold others."""
    steps = deque(re.findall(r"\[[^]]*]|\w+", path))
    while True:
        match known:
            case msgspec.inspect.LiteralType() if not steps:
                return known.values
            case msgspec.inspect.UnionType():
                known = next(each for each in known.types if not isinstance(each, msgspec.inspect.NoneType))
            case msgspec.inspect.ListType() if steps and steps[0].startswith("["):
                steps.popleft()
                known = known.item_type
            case msgspec.inspect.StructType() if steps:
                name = steps.popleft()
                field = next((each for each in known.fields if each.encode_name == name), None)
                if field is None:
                    return ()
                known = field.type
            case _:
                return ()


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
