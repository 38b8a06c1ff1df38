"""What Pipecat logs holds nothing of what is said in a call."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from loguru import logger

from libs.kit import log
from libs.testkit.nouns import PRIYA_PHONE
from voice_service import pipecat_log


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    log.configure("json", stream=stream)
    pipecat_log.into_ours()
    yield stream
    logger.remove()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_where_it_went_wrong_is_told_and_not_for_whom(lines: io.StringIO):
    def speak(text: str) -> None:
        raise ValueError(f"cannot speak {text}")

    logger.warning(f"service is no longer usable, not speaking [{PRIYA_PHONE}]")
    try:
        speak(PRIYA_PHONE)
    except ValueError as error:
        logger.exception(f"uncaught: {error}")
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(each["level"], each["kind"]) for each in told] == [("warning", None), ("error", "ValueError")]
    assert all("test_pipecat_log:" in each["where"] for each in told)
    assert PRIYA_PHONE not in lines.getvalue()
