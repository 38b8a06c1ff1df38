"""What a log line tells, and what it never does."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from libs.kit import log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_values_are_keys_and_the_message_stands_still():
    stream = io.StringIO()
    log.configure("json", stream=stream)
    structlog.get_logger("libs.kit.relay").info("sent", facts=3)
    [line] = lines(stream)
    assert (line["event"], line["facts"], line["level"], line["logger"]) == ("sent", 3, "info", "libs.kit.relay")
    assert "timestamp" in line


def test_personal_text_is_dropped_unless_it_is_asked_for():
    for pii, shown in ((False, False), (True, True)):
        stream = io.StringIO()
        log.configure("json", stream=stream, pii=pii)
        structlog.get_logger().info("heard", **{"pii.text": "Haan ji", "channel": "whatsapp"})
        assert ("Haan ji" in stream.getvalue()) is shown
        assert lines(stream)[0]["channel"] == "whatsapp"


def test_a_traceback_does_not_show_local_variables():
    stream = io.StringIO()
    log.configure("json", stream=stream)
    words = "20 February tak " + "kar denge"
    try:
        raise RuntimeError("broken") from ValueError(len(words))
    except RuntimeError:
        structlog.get_logger().exception("a handler failed")
    assert "RuntimeError" in stream.getvalue()
    assert words not in stream.getvalue()


def test_libraries_speak_through_the_same_lines_and_httpx_names_no_address():
    stream = io.StringIO()
    log.configure("json", stream=stream)
    logging.getLogger("asyncpg").warning("slow")
    logging.getLogger("httpx").info("GET https://erp.example/contacts?address=%s", "9876543210")
    [line] = lines(stream)
    assert line["event"] == "slow"


def test_a_terminal_gets_readable_lines():
    stream = io.StringIO()
    log.configure("console", level="debug", stream=stream)
    structlog.get_logger().debug("claimed", effect="7")
    assert "claimed" in stream.getvalue()
    assert "{" not in stream.getvalue()


@pytest.mark.parametrize("pii", [False, True])
def test_what_an_exception_says_is_dropped_unless_personal_text_is_asked_for(pii: bool):
    stream = io.StringIO()
    log.configure("json", stream=stream, pii=pii)
    name, number = "Priya " + "Sharma", "+91" + "9876543210"
    try:
        try:
            raise KeyError(name)
        except KeyError as error:
            raise ExceptionGroup(number, [ValueError(name)]) from error
    except ExceptionGroup:
        structlog.get_logger().exception("it failed")
    told = stream.getvalue()
    assert "KeyError" in told
    assert "ValueError" in told
    assert (name in told, number in told) == (pii, pii)
