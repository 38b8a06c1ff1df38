"""An answer that broke off in the middle and is to be gone on with: the request as it was, and what of its answer is left."""

from collections.abc import Mapping
from typing import Any

_ORDER = "(the line broke off: go on exactly after your last word"


def broken_off(body: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The request without what was said of its answer and the order to go on, and what was said; empty where nothing was."""
    messages: list[dict[str, Any]] = body["messages"]
    if len(messages) < 3 or messages[-2]["role"] != "assistant" or not _text(messages[-1]).startswith(_ORDER):
        return dict(body), ""
    return {**body, "messages": messages[:-2]}, _text(messages[-2])


def left(content: list[dict[str, Any]], said: str) -> list[dict[str, Any]]:
    """The blocks of the whole answer without the words that were said."""
    found = []
    for block in content:
        text = block.get("text", "")
        if block["type"] == "text" and said:
            if text.startswith(said):
                text, said = text[len(said) :], ""
            if text:
                found.append(block | {"text": text})
            continue
        found.append(block)
    return found


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content)
