"""What a CloudEvent means in each of its three modes over HTTP: an event as in the plain form, and what it says beside that. Pure.

The rules are those of CloudEvents 1.0.2 (github.com/cloudevents/spec): `spec.md`, `bindings/http-protocol-binding.md` and
`formats/json-format.md`, named here as spec, HTTP and JSON with their sections.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from libs.domain.given import Wrong, check_id
from services.ingest.decide import MAX_DATA, EventIn, check_depth, is_too_large

Mode = Literal["structured", "batch", "binary"]

FORMAT, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
PREFIX = "application/cloudevents"
VERSION = "1.0"
MAX_EVENTS = 1000
"""Events of one batch."""
MAX_SOURCE = 2048
"""Characters of a source: it is a URI-reference, which is longer than an id."""
MAX_ATTRIBUTES = 64 * 1024
"""Bytes of what an event says beside its data, as JSON."""
PER_HOP: frozenset[str] = frozenset({"traceparent", "tracestate"})
"""Attributes of the extension Distributed Tracing, which a broker renews with each delivery: no other content."""

_NAME = re.compile(r"[a-z0-9]+")
_JSON = re.compile(r"[^/\s]+/([^/\s]+\+)?json", re.IGNORECASE)
_PLAIN = "application/json"
_INT32 = range(-(2**31), 2**31)
_OWN = ("specversion", "id", "source", "type", "time")
_TEXTS = (*_OWN, "subject", "dataschema", "datacontenttype")
_PAYLOAD = ("data", "data_base64")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
# spec, Type System: no control characters, surrogates or noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


class Told(NamedTuple):
    """An event, and what its CloudEvent says beside it: each attribute as its canonical text (spec, Type System)."""

    event: EventIn
    attributes: dict[str, str]


class Refused(Wrong):
    """A CloudEvent that is not taken, where 422 would not say why: 400, 413 or 415."""

    def __init__(self, status: int, path: str, message: str) -> None:
        super().__init__(path, message)
        self.status = status


def mode_of(content_type: str, named: Callable[[str], bool]) -> Mode | None:
    """How a CloudEvent was sent; None for what is none. `named`: whether the request has a header.

    HTTP 3: the media type tells structured and batch; anything else is binary where the attributes are headers. One of
    them is enough here, so that the sender who forgot another is told of it. Raises Refused for another format than JSON.
    """
    media_type = media_type_of(content_type)
    if media_type.startswith(PREFIX):
        if media_type not in (FORMAT, BATCH):
            raise Refused(415, "content-type", f"send {FORMAT} or {BATCH}, not {media_type!r}")
        return "batch" if media_type == BATCH else "structured"
    return "binary" if named("ce-specversion") or named("ce-id") else None


def media_type_of(content_type: str) -> str:
    """A content type without its parameters, in lower case (spec, datacontenttype)."""
    return content_type.partition(";")[0].strip().lower()


def structured(value: Any) -> Told:
    """A CloudEvent as decoded JSON (JSON 2.2 and 3). Raises Wrong; Refused where 422 would not say why."""
    if not isinstance(value, dict):
        raise Wrong("$", "a CloudEvent is a JSON object")
    attributes = {
        name: _canonical(name, given) for name, given in value.items() if name not in _PAYLOAD and given is not None
    }
    _check_version(attributes, _member)
    if value.get("data_base64") is not None:
        if value.get("data") is not None:
            raise Wrong("$.data_base64", "an event has `data` or `data_base64`, and not both")
        raise Refused(415, "$.data_base64", "binary data is not taken: send a JSON object as `data`")
    return _told(attributes, value.get("data"), _member)


def binary(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Told:
    """A CloudEvent whose attributes are headers (HTTP 3.1) and whose data is the body.

    Raises as `structured`, and Refused 400 for a body that is not JSON.
    """
    attributes: dict[str, str] = {}
    for raw, value in headers:
        header = raw.decode("latin-1").lower()
        name = "datacontenttype" if header == "content-type" else header[3:]
        if not header.startswith("ce-") and header != "content-type":
            continue
        if header in ("ce-datacontenttype", "ce-data"):
            raise Wrong(
                header, "it is no header of a CloudEvent: the data is the body, and Content-Type says what it is"
            )
        if name in attributes:
            raise Wrong(header, "it stands twice")
        attributes[name] = value.decode("latin-1") if header == "content-type" else _unescaped(header, value)
    _check_version(attributes, _header)
    for name, text in attributes.items():
        _check_text(name, text, _header)
    if not body:
        return _told(attributes, None, _header)
    _check_json(attributes, _header)
    return _told(attributes, decoded(body), _header)


def decoded(body: bytes) -> Any:
    """Raises Refused 400 for what is not JSON in UTF-8."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, "$", f"it is no valid JSON: {error}") from error
    except RecursionError as error:
        raise Refused(400, "$", "it is nested too deeply: nobody can mean so many levels of JSON") from error


def batch(value: Any) -> list[Told | Wrong]:
    """Each element of a batch (JSON 4), or what is wrong with it, with its place. Raises Wrong for what is no batch."""
    if not isinstance(value, list):
        raise Wrong("$", "a batch is a JSON array of CloudEvents")
    if len(value) > MAX_EVENTS:
        raise Refused(
            413, "$", f"at most {MAX_EVENTS} events are taken at once, these are {len(value)}: send several batches"
        )
    return [_element(place, each) for place, each in enumerate(value)]


def content_of(told: Told) -> list[Any]:
    """What is the same when an event is sent again; a CloudEvent that says no more than the plain form is equal to it."""
    content: list[Any] = [told.event.event_name, told.event.data, told.event.occurred_at]
    if told.attributes and (lasting := {name: told.attributes[name] for name in told.attributes.keys() - PER_HOP}):
        content.append(lasting)
    return content


def _element(place: int, value: Any) -> Told | Wrong:
    try:
        return structured(value)
    except Wrong as wrong:
        return placed(place, wrong)


def placed(place: int, wrong: Wrong) -> Wrong:
    """The same mistake as that of an element of a batch."""
    path = f"$[{place}]{wrong.path.removeprefix('$')}"
    return Refused(wrong.status, path, wrong.message) if isinstance(wrong, Refused) else Wrong(path, wrong.message)


def _told(attributes: Mapping[str, str], data: Any, at: Callable[[str], str]) -> Told:
    for name in ("id", "source", "type"):
        if name not in attributes:
            raise Wrong(at(name), "a CloudEvent needs it")
    check_id(at("id"), attributes["id"])
    check_id(at("type"), attributes["type"])
    if not 1 <= len(attributes["source"]) <= MAX_SOURCE:
        raise Wrong(at("source"), f"1 to {MAX_SOURCE} characters are allowed, this has {len(attributes['source'])}")
    occurred_at = _time(at("time"), attributes["time"]) if "time" in attributes else None
    for name in ("subject", "dataschema", "datacontenttype"):
        if attributes.get(name) == "":
            raise Wrong(at(name), "leave it out where it is empty")
    if data is None:
        data = {}
    else:
        _check_json(attributes, at)
    path = "$" if at is _header else "$.data"
    if not isinstance(data, dict):
        raise Wrong(path, "the data of an event is a JSON object: rules speak of its fields by name")
    check_depth(path, data)
    if is_too_large(data):
        raise Refused(413, path, f"at most {MAX_DATA} bytes of JSON are taken as data")
    beside = {name: text for name, text in attributes.items() if name not in _OWN}
    if media_type_of(beside.get("datacontenttype", "")) == _PLAIN:
        del beside["datacontenttype"]  # JSON 3.1: what stands nowhere means the same
    if len(msgspec.json.encode(beside)) > MAX_ATTRIBUTES:
        raise Refused(413, "$", f"at most {MAX_ATTRIBUTES} bytes of attributes are taken")
    event = EventIn(
        event_name=attributes["type"],
        data=data,
        event_id=attributes["id"],
        source=attributes["source"],
        occurred_at=occurred_at,
    )
    return Told(event, beside)


def _check_version(attributes: Mapping[str, str], at: Callable[[str], str]) -> None:
    version = attributes.get("specversion")
    if version is None:
        raise Wrong(at("specversion"), f"a CloudEvent needs it: {VERSION}")
    if version != VERSION:
        raise Refused(400, at("specversion"), f"CloudEvents {VERSION} are understood, this says {version[:20]!r}")


def _check_json(attributes: Mapping[str, str], at: Callable[[str], str]) -> None:
    """Data is JSON where its type is `*/json` or `*/*+json`, or nothing says what it is (JSON 3.1)."""
    said = attributes.get("datacontenttype", _PLAIN)
    if not _JSON.fullmatch(media_type_of(said)):
        raise Refused(415, at("datacontenttype"), f"data is taken as application/json, not as {said[:100]!r}")


def _check_text(name: str, text: str, at: Callable[[str], str]) -> None:
    """A name and a text as spec has them: Naming Conventions, and String of its Type System."""
    if not _NAME.fullmatch(name):
        raise Wrong(at(name), "attributes are named by lower-case letters and digits alone")
    if _FORBIDDEN.search(text):
        raise Wrong(at(name), "control characters, surrogates and noncharacters are not allowed")


def _canonical(name: str, value: Any) -> str:
    """The text that a JSON value stands for: String, Boolean and Integer are all that there are (JSON 2.2)."""
    if isinstance(value, bool) and name not in _TEXTS:
        text = "true" if value else "false"
    elif isinstance(value, int) and name not in _TEXTS:
        if value not in _INT32:
            raise Wrong(_member(name), "an integer has 32 bits: send a larger one as text")
        text = str(value)
    elif isinstance(value, str):
        text = value
    else:
        raise Wrong(
            _member(name), "a text is expected" if name in _TEXTS else "a text, a boolean or an integer is expected"
        )
    _check_text(name, text, _member)
    return text


def _unescaped(header: str, value: bytes) -> str:
    """The text of a header: first its quotes are taken away, then its percent-encoding, once (HTTP 3.1.3.2)."""
    text = value.decode("latin-1").strip()
    if quoted := _QUOTED.fullmatch(text):
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Wrong(header, "percent-encode its text as UTF-8") from error


def _time(path: str, text: str) -> datetime:
    """A Timestamp is RFC 3339, and so has its zone."""
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Wrong(path, "a time is written with its zone, such as 2026-02-16T10:30:00+05:30")
    return moment


def _member(name: str) -> str:
    return f"$.{name}"


def _header(name: str) -> str:
    return "content-type" if name == "datacontenttype" else f"ce-{name}"
