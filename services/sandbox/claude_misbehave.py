"""What the emulated Claude says when it is told to misbehave: other tools, other shapes, no end."""

from typing import Any

from services.sandbox.claude_faults import FaultKind

WORDS = "We are looking into it and will come back to you soon. "


def misbehaved(kind: FaultKind | None, content: list[dict[str, Any]], max_tokens: int) -> list[dict[str, Any]]:
    """The blocks of an answer as a fault changes them."""
    match kind:
        case "wrong_tool":
            return [
                block | {"name": "delete_invoice", "input": {"invoice_id": "INV-2026-0099"}} for block in content[:1]
            ]
        case "no_tool":
            return [{"type": "text", "text": WORDS}]
        case "wrong_shape":
            return [block | {"input": {"unexpected": [1, 2, 3]}} for block in content]
        case "long_reply":
            return [_replying(block, WORDS * 42) for block in content]
        case "endless_text":
            return [_replying(block, WORDS * max_tokens) for block in content]
        case _:
            return content


def _replying(block: dict[str, Any], text: str) -> dict[str, Any]:
    given = block.get("input", {})
    return block | {"input": given | {"text": text}} if "text" in given else block
