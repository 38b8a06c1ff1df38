"""A file of Meta's is found, and is taken only as it was announced."""

import base64
import hashlib

import pytest

from libs.channels.outcome import Refused
from libs.channels.whatsapp_media import (
    LARGEST_KEPT,
    MB,
    Place,
    hex_digest,
    is_as_told,
    media_path,
    read_place,
    read_upload,
    too_large,
    upload_path,
)
from libs.channels.whatsapp_message import FileKind

CONTENT = b"a receipt"
DIGEST = hashlib.sha256(CONTENT)


def test_the_paths_are_those_of_the_graph_api():
    assert media_path("1003") == "/v26.0/1003"
    assert upload_path("1065") == "/v26.0/1065/media"


@pytest.mark.parametrize(
    "told", [DIGEST.hexdigest(), DIGEST.hexdigest().upper(), base64.b64encode(DIGEST.digest()).decode()]
)
def test_a_digest_is_understood_in_hex_and_in_base64(told: str):
    assert hex_digest(told) == DIGEST.hexdigest()


@pytest.mark.parametrize("told", [None, "", "SfIn=", "x" * 64, base64.b64encode(b"short").decode()])
def test_anything_else_is_no_digest(told: str | None):
    assert hex_digest(told) is None


def test_the_place_of_a_file_is_read_whatever_its_numbers_are():
    body = b'{"url": "https://lookaside/x", "mime_type": "audio/ogg", "sha256": "%s", "file_size": %s, "id": 1003}'
    expected = Place("https://lookaside/x", "audio/ogg", 9, DIGEST.hexdigest())
    for size in (b"9", b'"9"'):
        assert read_place(body % (DIGEST.hexdigest().encode(), size)) == expected


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"url": 7}', b'{"url": "x", "file_size": "big"}', b"[" * 9999])
def test_an_answer_without_a_place_is_none(body: bytes):
    assert read_place(body) is None


def test_an_upload_is_known_by_its_id():
    assert read_upload(b'{"id": 1003}') == read_upload(b'{"id": "1003"}') == "1003"
    assert read_upload(b"{}") is None


def test_a_file_is_as_it_was_told():
    assert is_as_told(CONTENT, DIGEST.hexdigest(), None)
    assert not is_as_told(CONTENT, None, "0" * 64)


@pytest.mark.parametrize(("kind", "most"), [("image", 5 * MB), ("audio", 16 * MB), ("document", LARGEST_KEPT)])
def test_a_file_may_be_as_large_as_meta_or_we_can_take(kind: FileKind, most: int):
    assert too_large(kind, most) is None
    refused = too_large(kind, most + 1)
    assert isinstance(refused, Refused)
    assert f"may have {most}" in refused.reason
