"""Every error of our HTTP surface as RFC 9457 problem details: what is wrong, where, and what would be right."""

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException

from libs.kit.appends import Overloaded, Unavailable

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that is an error: raise it anywhere below a handler.

    `title` is the same for every problem of its kind, `detail` is about this one. `members` become members of the
    problem object, such as `accepted_triggers`.
    """

    def __init__(
        self,
        status: int,
        title: str | None = None,
        detail: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or title or HTTPStatus(status).phrase)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.headers = headers or {}
        self.members = members


def answer(problem: Problem) -> Response[bytes]:
    """The response that tells `problem`."""
    body: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status}
    if problem.detail:
        body["detail"] = problem.detail
    return Response(
        msgspec.json.encode(body | problem.members),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def on_problem(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return answer(problem)


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """A body or parameter of the wrong shape is 422, with the place of each mistake."""
    extra = error.extra if isinstance(error.extra, list) else []
    findings = [
        {"in": _place_of(item), "path": _path_of(item), "message": item["message"]}
        for item in extra
        if isinstance(item, dict) and "message" in item
    ]
    detail = "; ".join(f"{finding['path']}: {finding['message']}" for finding in findings) or error.detail
    return answer(Problem(422, "The request has the wrong shape", detail, errors=findings))


def _place_of(item: dict[str, Any]) -> str:
    source = item.get("source", "body")
    return str(getattr(source, "value", source))


def _path_of(item: dict[str, Any]) -> str:
    key = str(item.get("key", ""))
    if _place_of(item) != "body":
        return key
    return "$" if key in ("", "data") else f"$.{key}"


def on_malformed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A body that is not JSON at all."""
    return answer(Problem(400, "The body is not valid JSON", _first_line(error)))


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refuses: 404, 405, 413 and the like."""
    if isinstance(error.__cause__, SerializationException | UnicodeDecodeError):
        return on_malformed(request, error.__cause__)
    status = error.status_code
    phrase = HTTPStatus(status).phrase
    detail = error.detail if error.detail and error.detail != phrase else None
    if status == HTTPStatus.NOT_FOUND and (detail is None or detail == request.url.path):
        detail = f"there is nothing at {request.url.path}; /api/docs lists what there is"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.url.path} does not take {request.method}"
    return answer(Problem(status, phrase, detail, headers=dict(error.headers or {})))


def on_away(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The log is away or full: nothing was decided, and the same request may come again."""
    return answer(Problem(503, "The log cannot take this now", str(error), headers={"retry-after": "1"}))


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Anything unforeseen: logged with its traceback, told without it."""
    log.error("a request failed", method=request.method, path=request.url.path, exc_info=error)
    return answer(Problem(500, "Something of ours broke", "It is logged; the same request may be tried again."))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


HANDLERS: dict[int | type[Exception], Any] = {
    Problem: on_problem,
    ValidationException: on_validation,
    SerializationException: on_malformed,
    UnicodeDecodeError: on_malformed,
    HTTPException: on_http,
    Unavailable: on_away,
    Overloaded: on_away,
    Exception: on_bug,
}
