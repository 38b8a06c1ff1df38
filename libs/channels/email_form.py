"""A form as a provider posts it: fields as bytes, because each may be in another charset, and files."""

from urllib.parse import unquote_to_bytes

from multipart import MultipartError, PushMultipartParser, parse_options_header

from libs.channels.email_inbound import Upload
from libs.channels.email_mime import Malformed, text_of

MAX_FIELDS = 500


def read_form(content_type: str, raw: bytes) -> dict[str, bytes | Upload]:
    """The fields of a form, of a repeated one the first. Raises Malformed."""
    kind, options = parse_options_header(content_type)
    if kind == "application/x-www-form-urlencoded":
        return _urlencoded(raw)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise Malformed("Content-Type", "a form is multipart/form-data with a boundary, or urlencoded")
    try:
        return _multipart(options["boundary"], raw)
    except (MultipartError, ValueError, LookupError) as error:
        raise Malformed("$", f"is no form of its boundary: {error}") from error


def _urlencoded(raw: bytes) -> dict[str, bytes | Upload]:
    fields: dict[str, bytes | Upload] = {}
    pairs = raw.split(b"&", MAX_FIELDS)
    if len(pairs) > MAX_FIELDS:
        raise Malformed("$", f"has more than {MAX_FIELDS} fields")
    for pair in pairs:
        name, _, content = pair.partition(b"=")
        if name:
            fields.setdefault(text_of(_unquoted(name), None), _unquoted(content))
    return fields


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _multipart(boundary: str, raw: bytes) -> dict[str, bytes | Upload]:
    fields: dict[str, bytes | Upload] = {}
    content = bytearray()
    segment = None
    with PushMultipartParser(boundary, max_segment_count=MAX_FIELDS, header_charset="latin-1") as parser:
        for part in (*parser.parse(raw), *(() if parser.closed else parser.parse(b""))):
            if isinstance(part, bytes | bytearray):
                content += part
            elif part is None:
                if segment is not None:
                    name = _text(segment.name)
                    whole = bytes(content)
                    file = segment.filename
                    media_type = segment.content_type or "application/octet-stream"
                    fields.setdefault(name, whole if file is None else Upload(_text(file), media_type, whole))
                segment, content = None, bytearray()
            else:
                segment = part
    return fields


def _text(header: str | None) -> str:
    """What a header says, of which the parser kept each byte as a letter."""
    return text_of((header or "").encode("latin-1", "replace"), None)
