"""What the emulated Messages API refuses before it thinks, in the real one's words."""

from collections.abc import Mapping
from typing import Any

import msgspec

_KNOWN = frozenset(
    {
        "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "stop_sequences", "metadata",
        "thinking", "output_config", "cache_control", "container", "context_management", "diagnostics", "inference_geo",
        "mcp_servers", "service_tier", "speed", "user_profile_id", "workspace_id",
    }
)  # fmt: skip
_STRICT_UNSUPPORTED = ("minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "$ref")
MOST_BREAKPOINTS = 4


class Rejected(Exception):
    """The request is answered with an error body: HTTP status, `error.type` and message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


def _bad(message: str) -> Rejected:
    return Rejected(400, "invalid_request_error", message)


def checked(headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
    """The decoded body of a request that the API would take; raises Rejected."""
    bearer = headers.get("authorization", "")
    if not (headers.get("x-api-key") or (bearer.startswith("Bearer ") and bearer[7:].strip())):
        raise Rejected(401, "authentication_error", "x-api-key header is required")
    if not headers.get("anthropic-version"):
        raise _bad("anthropic-version: header is required")
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise _bad("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise _bad("The request body must be a JSON object")
    for name in body:
        if name not in _KNOWN:
            raise _bad(f"{name}: Extra inputs are not permitted")
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            raise _bad(f"{name}: Field required")
    model, limit = body["model"], body["max_tokens"]
    if not isinstance(model, str) or not model:
        raise _bad("model: Input should be a valid string")
    if not model.startswith("claude-"):
        raise Rejected(404, "not_found_error", f"model: {model}")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise _bad("max_tokens: Input should be greater than or equal to 0")
    _check_messages(body["messages"])
    _check_system(body.get("system"))
    _check_tools(body.get("tools") or [], body.get("tool_choice"), body.get("thinking"))
    if _breakpoints(body) > MOST_BREAKPOINTS:
        raise _bad(f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided.")
    return body


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise _bad("messages: at least one message is required")
    open_calls: set[str] = set()
    for n, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise _bad(f"messages.{n}.role: Input should be 'user', 'assistant' or 'system'")
        blocks = _blocks(message.get("content"), f"messages.{n}.content")
        if not blocks:
            raise _bad(f"messages.{n}: all messages must have non-empty content")
        results = {b.get("tool_use_id") for b in blocks if b.get("type") == "tool_result"}
        if missing := open_calls - results:
            raise _bad(
                f"messages.{n - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                + ", ".join(sorted(missing))
            )
        if unknown := results - open_calls:
            raise _bad(
                f"messages.{n}.content: unexpected `tool_use_id` found in `tool_result` blocks: {min(map(str, unknown))}"
            )
        if message["role"] == "assistant" and any(b.get("type") == "document" for b in blocks):
            raise _bad(f"messages.{n}.content: document blocks are not allowed in assistant messages")
        open_calls = (
            {str(b["id"]) for b in blocks if b.get("type") == "tool_use"} if message["role"] == "assistant" else set()
        )
    if messages[0]["role"] != "user":
        raise _bad('messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant":
        raise _bad(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _blocks(content: Any, where: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    if not isinstance(content, list) or not all(isinstance(b, dict) for b in content):
        raise _bad(f"{where}: Input should be a valid list")
    for n, block in enumerate(content):
        if block.get("type") == "text" and (not isinstance(block.get("text"), str) or not block["text"].strip()):
            raise _bad(f"{where}.{n}.text: text content blocks must be non-empty")
        if block.get("type") == "text" and block.get("citations"):
            raise _bad(f"{where}.{n}.citations: Extra inputs are not permitted")
    return content


def _check_system(system: Any) -> None:
    if isinstance(system, list):
        _blocks(system, "system")
    elif system is not None and not isinstance(system, str):
        raise _bad("system: Input should be a valid string or list")


def _check_tools(tools: Any, choice: Any, thinking: Any) -> None:
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise _bad("tools: Input should be a valid list")
    names = []
    for n, tool in enumerate(tools):
        name, schema = tool.get("name"), tool.get("input_schema")
        if not isinstance(name, str) or not name:
            raise _bad(f"tools.{n}.custom.name: Field required")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise _bad(f"tools.{n}.custom.input_schema.type: Field required")
        if tool.get("strict"):
            _check_strict(schema, f"tools.{n}.custom.input_schema")
        names.append(name)
    if len(set(names)) != len(names):
        raise _bad("tools: Tool names must be unique.")
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        raise _bad("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if kind in ("any", "tool") and not tools:
        raise _bad("tool_choice: may only be specified while providing tools")
    if kind == "tool" and choice.get("name") not in names:
        raise _bad(f"tool_choice.tool.name: Tool '{choice.get('name')}' not found in provided tools")
    if kind in ("any", "tool") and isinstance(thinking, dict) and thinking.get("type") == "enabled":
        raise _bad("Thinking may not be enabled when tool_choice forces tool use.")


def _check_strict(schema: Mapping[str, Any], where: str) -> None:
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            raise _bad(f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
        for name, inner in schema.get("properties", {}).items():
            _check_strict(inner, f"{where}.properties.{name}")
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        _check_strict(schema["items"], f"{where}.items")
    for option in schema.get("anyOf") or []:
        _check_strict(option, f"{where}.anyOf")
    if schema.get("enum") == []:
        raise _bad(f"{where}.enum: List should have at least 1 item")
    for name in _STRICT_UNSUPPORTED:
        if name in schema:
            raise _bad(f"{where}: property '{name}' is not supported in strict schemas")


def _breakpoints(body: Mapping[str, Any]) -> int:
    blocks = [*(body.get("tools") or [])]
    blocks += body["system"] if isinstance(body.get("system"), list) else []
    for message in body["messages"]:
        blocks += message["content"] if isinstance(message["content"], list) else []
    return sum(1 for block in blocks if block.get("cache_control")) + bool(body.get("cache_control"))
