"""What the emulated Claude reads out of a Messages API request: instructions, facts, now, and what was said."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from services.sandbox.claude_text import folded


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that was said."""

    role: Literal["contact", "agent"]
    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A tool whose result is the last message: its input, and whether it failed."""

    name: str
    input: dict[str, Any]
    failed: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as a reader understands it, whoever wrote it.

    `unread` is what waits for an answer: the messages so `marked`, else what the contact said since the agent last
    spoke. `slots` and `done` are the lines of those blocks. `facts` are all JSON objects of the trusted part together. `now` is the request's, else `otherwise`.
    """

    instructions: str
    facts: dict[str, Any]
    now: datetime
    history: list[Turn]
    unread: list[str]
    marked: bool
    language: str | None
    max_words: int
    task: str
    tools: list[dict[str, Any]] = field(default_factory=list)
    slots: str = ""
    done: str | None = None
    called: list[Called] = field(default_factory=list)
    spoken: bool = False
    """Whether the answer that called them had words of its own."""

    def known(self, name: str) -> Any:
        """A fact by its exact name, at any depth; None where there is none."""
        return next((value for key, value in _flat(self.facts) if key == name), None)

    def known_like(self, name: str) -> Any:
        """A fact whose name ends or begins as this one: `invoice_id` finds `invoice_number`, else `entity_id`."""
        if (value := self.known(name)) is not None:
            return value
        first, _, last = name.rpartition("_")
        for key, value in _flat(self.facts):
            if first and (key.startswith(f"{first}_") or key == first) and _same_kind(key, name):
                return value
        return self.known("entity_id") if last in ("id", "number", "no") else None


_TAGGED = re.compile(r"<(?P<tag>[a-z][\w-]*)>(?P<body>(?:(?!<(?P=tag)>).)*?)</(?P=tag)>", re.DOTALL)
"""A block; where rules only speak of one by its name in brackets, none begins."""
_MOMENT = re.compile(r"(20\d\d-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)\s*(Z|[+-]\d\d:?\d\d)?)?")
_NOW_LABEL = re.compile(
    r"(?:\bnow\b|\btoday\b|current (?:date|time)|date and time)[^\n]{0,40}?(?=20\d\d-)", re.IGNORECASE
)
_WORDS = re.compile(r"(?:at most|under|max(?:imum)?(?: of)?|within|up to)\s+(\d{1,3})\s+words", re.IGNORECASE)
_STEP_TAGS = ("step", "instructions", "instruction", "task", "goal")
_DATA_TAGS = ("conversation", "history", "unread_messages", "messages", "transcript")
_OWN_TAGS = ("slots", "done")
_WAITING_TAGS = ("unread_messages", "unread", "new_messages", "message", "contact_message")
DEFAULT_MAX_WORDS = 60


def read_request(body: Mapping[str, Any], otherwise: datetime) -> Prompt:
    """Reads a checked request body."""
    system = list(_texts(body.get("system", [])))
    messages = [message for message in body["messages"] if message["role"] != "system"]
    system += [text for m in body["messages"] if m["role"] == "system" for text in _texts(m["content"])]
    trusted = "\n".join(system)
    tags = {m["tag"]: m["body"].strip() for text in system for m in _TAGGED.finditer(text)}
    said = [(m["role"], text) for m in messages for text in _texts(m["content"])]
    user_tags = [(m["tag"], m["body"]) for role, text in said if role == "user" for m in _TAGGED.finditer(text)]
    history = [
        turn for tag, inner in user_tags if tag in _DATA_TAGS and tag not in _WAITING_TAGS for turn in _turns(inner)
    ]
    waiting = [turn.text for tag, inner in user_tags if tag in _WAITING_TAGS for turn in _turns(inner)]
    last = next((text for role, text in reversed(said) if role == "user"), "")
    names = [str(tool.get("name")) for tool in body.get("tools") or []]
    if not user_tags:
        # A text that names a tool is the caller's order, not something that the contact said.
        spoken = [(role, text) for role, text in said if role == "assistant" or not any(name in text for name in names)]
        history = [Turn("contact" if role == "user" else "agent", text) for role, text in spoken]
    unread = waiting or _trailing(history)
    step = next((tags[tag] for tag in _STEP_TAGS if tag in tags), None)
    max_words = tags.get("max_words") or next((m[1] for m in _WORDS.finditer(trusted)), "")
    return Prompt(
        instructions=step if step is not None else (system[-1] if system else ""),
        facts=_objects(tags, trusted),
        now=_now(tags, trusted, otherwise),
        history=history,
        unread=unread,
        marked=bool(waiting),
        language=tags.get("language"),
        max_words=int(max_words) if max_words.isdigit() else DEFAULT_MAX_WORDS,
        task=_TAGGED.sub("", last).strip(),
        tools=list(body.get("tools") or []),
        slots=tags.get("slots", ""),
        done=tags.get("done"),
        called=_called(messages),
        spoken=bool(messages[-2:-1]) and any(_texts(messages[-2]["content"])),
    )


def _called(messages: list[dict[str, Any]]) -> list[Called]:
    """The tools that the last message brings results of; with words behind them it is the words that are answered."""
    if len(messages) < 2 or not isinstance(messages[-1]["content"], list):
        return []
    if any(block.get("type") == "text" for block in messages[-1]["content"]):
        return []
    results = {b["tool_use_id"]: b for b in messages[-1]["content"] if b.get("type") == "tool_result"}
    uses = messages[-2]["content"] if isinstance(messages[-2]["content"], list) else []
    return [
        Called(use["name"], use["input"], bool(results[use["id"]].get("is_error")))
        for use in uses
        if use.get("type") == "tool_use" and use["id"] in results
    ]


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    for block in content or []:
        if isinstance(block, str):
            yield block
        elif block.get("type") == "text":
            yield block["text"]


def _turns(body: str) -> Iterator[Turn]:
    """One JSON object a line, or plain text."""
    for line in body.strip().splitlines():
        try:
            entry = msgspec.json.decode(line)
        except msgspec.DecodeError:
            entry = line.strip()
        if isinstance(entry, dict) and isinstance(entry.get("text"), str):
            role = str(entry.get("from") or entry.get("role") or "contact")
            yield Turn("contact" if role in ("contact", "user", "customer") else "agent", entry["text"])
        elif isinstance(entry, str) and entry:
            yield Turn("contact", entry)


def _trailing(history: list[Turn]) -> list[str]:
    texts: list[str] = []
    for turn in reversed(history):
        if turn.role != "contact":
            break
        texts.insert(0, turn.text)
    return texts


def _objects(tags: Mapping[str, str], trusted: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for text in [
        *(body for tag, body in tags.items() if tag not in _OWN_TAGS),
        *re.findall(r"^\s*(\{.*\})\s*$", trusted, re.MULTILINE),
    ]:
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            continue
        if isinstance(value, dict):
            facts |= value
    return facts


def _now(tags: Mapping[str, str], trusted: str, otherwise: datetime) -> datetime:
    label = _NOW_LABEL.search(trusted)
    for text in (tags.get("now", ""), trusted[label.end() :][:32] if label else ""):
        if m := _MOMENT.match(text.strip()):
            offset = (m[3] or "").replace("Z", "+00:00")
            moment = datetime.fromisoformat(f"{m[1]}T{m[2] or '10:00'}{offset}")
            return moment if moment.tzinfo else moment.replace(tzinfo=otherwise.tzinfo)
    return otherwise


def _flat(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner)
        elif inner not in (None, "", "(unknown)") and not isinstance(inner, list):
            yield folded(key), inner


def _same_kind(one: str, other: str) -> bool:
    ids = ("id", "number", "no", "name", "ref")
    last_one, last_other = one.rsplit("_", 1)[-1], other.rsplit("_", 1)[-1]
    return last_one == last_other or (last_one in ids and last_other in ids)
