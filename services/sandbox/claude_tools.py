"""Which tools the emulated Claude calls, and how it fills any tool's input by its schema."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from services.sandbox import claude_calls, claude_matters, claude_plan, claude_slots, claude_summary
from services.sandbox.claude_prompt import Prompt
from services.sandbox.claude_reply import Reply, compose
from services.sandbox.claude_slots import Answered, Offered
from services.sandbox.claude_text import folded, stems
from services.sandbox.understanding import (
    Message,
    Offer,
    Stated,
    facts_of,
    intents_of,
    language,
    opt_out,
    read,
    sentiment,
)

Schema = Mapping[str, Any]

_DESCRIBED = re.compile(
    r"^\s*[-*]?\s*[`\"']?(?P<name>[\w.-]+)[`\"']?\s*(?:\((?P<kind>[\w -]+)\))?\s*[:=–-]\s*(?P<text>.+)$", re.MULTILINE
)
_CHOICES = re.compile(r"one of (\[.*?\])(?=:)")
_WORDS = {"words", "evidence", "quote", "quotes", "provenance", "span", "source_text"}
_REPLY = {"text", "reply", "message", "body", "content", "answer", "response", "draft"}
_TOLD = "extracted_info"
_LANGUAGE = {"language", "lang", "locale", "reply_language"}
_KINDS = (
    ("datetime", ("datetime", "time", "callback", "at")),
    ("date", ("date", "day", "when", "deadline")),
    ("amount", ("amount", "price", "rupee", "inr", "money", "balance", "total")),
    ("number", ("quantity", "qty", "count", "unit", "number+of")),
    ("phone", ("phone", "mobile", "telephone")),
    ("email", ("email",)),
    ("reference", ("reference", "utr", "awb", "transaction", "tracking", "ref")),
)


@dataclass(frozen=True)
class Mind:
    """A request with what the emulated Claude makes of it; everything follows from the request alone."""

    prompt: Prompt

    @cached_property
    def messages(self) -> list[Message]:
        """The messages that wait for an answer, read."""
        return [read(text, self.prompt.now.replace(tzinfo=None)) for text in self.prompt.unread]

    @cached_property
    def parts(self) -> list[tuple[str | None, list[Message]]]:
        """The messages by the matter that they name; None: the one in question."""
        ids = claude_matters.ids_in(self.prompt.facts)
        return claude_matters.parts(self.messages, ids, self.prompt.now.replace(tzinfo=None))

    @cached_property
    def language(self) -> str:
        """That of the contact: of the unread messages, else the hint, else what the contact wrote before."""
        before = [
            read(t.text, self.prompt.now.replace(tzinfo=None)) for t in self.prompt.history if t.role == "contact"
        ]
        hint = self.prompt.language if self.prompt.language in ("en", "hi", "hi-Latn") else None
        if self.on_the_phone and not hint:  # "Hello?" is of no language: we go on in the one in which we began
            ours = [t.text for t in self.prompt.history if t.role == "agent"]
            said = [*before, *self.messages]
            if all({each.notion.name for each in message.notions} <= {"greeting"} for message in said):
                return language([read(text, self.prompt.now.replace(tzinfo=None)) for text in ours], "en")
        return language(self.messages, hint or language(before, self.prompt.language or "en"))

    @cached_property
    def slots(self) -> tuple[Offered, ...]:
        """What the request asks for."""
        return claude_slots.offered(self.prompt.slots)

    @cached_property
    def answers(self) -> list[Answered]:
        """What the messages say of the slots; those that were read before say nothing new."""
        if not self.prompt.marked:
            return []
        said = next((turn.text for turn in reversed(self.prompt.history) if turn.role == "agent"), None)
        return claude_slots.answers(self.messages, self.slots, said)

    @cached_property
    def reply(self) -> Reply:
        """The next message to the contact; who has just said that they are the one hears first what it is about."""
        messages = [] if claude_calls.confirmed(self.prompt.called) else self.messages
        return compose(self.prompt, messages, self.language, self.slots, self.answers)

    @property
    def on_the_phone(self) -> bool:
        """Whether it speaks in a call."""
        return claude_calls.on_the_phone(self.prompt.tools)

    def spoken(self, chosen: Sequence[Mapping[str, Any]]) -> str | None:
        """What is said on the phone beside the tools that are called: None where the words come after their results."""
        names = {tool["name"] for tool in chosen}
        column = ("en", "hi-Latn", "hi").index(self.reply.language)
        reply = claude_calls.heard(self.reply.text)
        if self.prompt.called:
            after = claude_calls.words_after(self.prompt.called, column)
            if after is None:
                return None if self.prompt.spoken else reply
            sent = any(call.name == claude_calls.SEND for call in self.prompt.called)
            return f"{after} {claude_calls.question(reply)}".strip() if sent else after
        if not names <= claude_calls.SPEAKS_FIRST or self._confirms(chosen):
            return None
        told = {said.notion.name for message in self.messages for said in message.notions}
        if claude_calls.END_CALL in names:
            answered = bool(told - {"thanks", "yes", "no", "greeting"}) or opt_out(self.messages) is not None
            return f"{reply} {claude_calls.goodbye(column)}" if answered else claude_calls.goodbye(column)
        understood = told or any(message.dates or message.values for message in self.messages)
        return reply if understood or not self.messages else claude_calls.again(column)

    def _confirms(self, chosen: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it reports that somebody is who was asked for: what to say to them comes with the result."""
        reports = [self.fill(tool) for tool in chosen if tool["name"] == claude_calls.REPORT]
        return any(report.get("intent") == claude_calls.CONFIRMS for report in reports)

    def tool_calls(self, choice: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The tools to call, in order: the forced one; else those that the task names; else the one that fits best."""
        tools = self.prompt.tools
        kind = choice.get("type", "auto")
        if not tools or kind == "none":
            return []
        if self.plans:
            done = claude_plan.done_in(self.prompt.done or "")
            known = {tool["name"]: self.fill(tool) for tool in tools}
            return [dict(claude_plan.next_tool(self.prompt.instructions, tools, done, known))]
        if kind == "tool":
            return [tool for tool in tools if tool["name"] == choice.get("name")]
        if self.on_the_phone and kind == "auto" and (named := claude_calls.tools(self.messages, self.prompt)):
            return [tool for name in named for tool in tools if tool["name"] == name]
        places = [re.search(rf"(?<!\w){re.escape(tool['name'])}(?!\w)", self.prompt.task) for tool in tools]
        chosen = [tools[n] for _, n in sorted((m.start(), n) for n, m in enumerate(places) if m)]
        if not chosen:
            own = claude_calls.OWN if self.on_the_phone else frozenset()
            fits = [(0.0 if tool["name"] in own else self._fit(tool), -n) for n, tool in enumerate(tools)]
            best, n = max(fits)
            chosen = [tools[-n]] if best > 0 or kind == "any" else []
        return chosen[:1] if choice.get("disable_parallel_tool_use") else chosen

    def _fit(self, tool: Mapping[str, Any]) -> float:
        offer = Offer(tool["name"], tool.get("description") or "")
        found = intents_of(self.messages, [offer])
        return {"high": 3.0, "medium": 2.0, "low": 1.0}[found[0].confidence] if found else 0.0

    @property
    def plans(self) -> bool:
        """Whether a next tool of a plan is asked for."""
        return self.prompt.done is not None and any(tool["name"] == claude_plan.FINISH for tool in self.prompt.tools)

    def fill(self, tool: Mapping[str, Any]) -> dict[str, Any]:
        """An input that fits the tool's schema."""
        if tool["name"] == claude_summary.TOOL:
            return claude_summary.written(self.prompt)
        if self.plans and tool["name"] == claude_plan.FINISH:
            return claude_plan.finished(claude_plan.done_in(self.prompt.done or ""))
        value = self._value("", tool.get("input_schema") or {"type": "object"}, {})
        return value if isinstance(value, dict) else {}

    def _value(self, name: str, schema: Schema, item: Mapping[str, Any]) -> Any:
        options = schema.get("anyOf") or schema.get("oneOf")
        types = schema.get("type")
        nullable = False
        if options:
            nullable = any(option.get("type") == "null" for option in options)
            real: Schema = next((option for option in options if option.get("type") != "null"), {})
            schema = {**real, "description": schema.get("description") or real.get("description", "")}
        elif isinstance(types, list):
            nullable = "null" in types
            schema = {**schema, "type": next((t for t in types if t != "null"), "null")}
        value = self._found(name, schema, item)
        if value is None and not nullable:
            return _nothing(schema)
        return value

    def _found(self, name: str, schema: Schema, item: Mapping[str, Any]) -> Any:
        """The value that the schema asks for; None where neither the messages nor the facts have one."""
        if "const" in schema:
            return schema["const"]
        if name in item:
            return None if item[name] is None else _typed(item[name], schema)
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            inside = schema.get("properties", {})
            told = self._told(inside) if name == _TOLD else item
            return {key: self._value(key, inner, told) for key, inner in inside.items()}
        if kind == "array":
            return self._items(name, schema)
        if "enum" in schema:
            return self._choice(name, schema)
        if kind == "boolean":
            return self._truth(name, schema)
        return self._scalar(name, schema)

    def _told(self, properties: Mapping[str, Schema]) -> dict[str, str | None]:
        """What the messages state of these facts; what was not said is none."""
        offers = [Offer(name, _described(schema)) for name, schema in properties.items()]
        return dict.fromkeys(properties) | {each.name: each.value for each in _facts(self.messages, offers)}

    def _items(self, name: str, schema: Schema) -> list[Any]:
        inner: Schema = schema.get("items") or {"type": "string"}
        if name == "slots" and self.slots:
            told: list[dict[str, Any]] = [{"name": a.name, "value": a.value, "words": a.words} for a in self.answers]
            return [self._value("", inner, entry) for entry in told]
        if "properties" not in inner:
            if "enum" in inner:
                return [intent.name for intent in intents_of(self.messages, _offers(inner))]
            value = self._stated(name, inner)
            return [] if value is None else [value]
        key = next((k for k, s in inner["properties"].items() if "enum" in s), None)
        if key is None:
            return []
        offers = _offers(inner["properties"][key])
        if "value" in inner["properties"]:
            entries: list[dict[str, Any]] = [
                {key: s.name, "value": s.value, "words": s.words, "about": about}
                for about, messages in self.parts
                for s in _facts(messages, offers)
            ]
        else:
            entries = [
                {key: i.name, "confidence": i.confidence, "words": i.words, "about": about}
                for about, messages in self.parts
                for i in intents_of(messages, offers)
            ]
        for entry in entries:
            entry |= dict.fromkeys(_WORDS & inner["properties"].keys(), entry["words"])
        return [self._value("", inner, entry) for entry in entries]

    def _choice(self, name: str, schema: Schema) -> Any:
        choices = list(schema["enum"])
        mood = sentiment(self.messages)
        if "sentiment" in name or {"positive", "negative"} <= set(choices):
            return mood if mood in choices else "negative" if mood == "angry" and "negative" in choices else choices[0]
        if name in _LANGUAGE and self.language in choices:
            return self.language
        found = intents_of(self.messages, _offers(schema))
        if found:
            return found[0].name
        known = self.prompt.known(name)
        return known if known in choices else None

    def _truth(self, name: str, schema: Schema) -> bool | None:
        if set(stems(name)) & {"opt", "stop", "unsubscribe", "optout"}:
            return opt_out(self.messages) is not None
        if name == "breaks_off":
            return claude_slots.breaks_off(self.messages)
        known = self.prompt.known(name)
        if isinstance(known, bool):
            return known
        return bool(intents_of(self.messages, [Offer(name, str(schema.get("description") or ""))])) or None

    def _scalar(self, name: str, schema: Schema) -> Any:
        described = str(schema.get("description") or "")
        if name in _LANGUAGE:
            return self.reply.language if "message" in described and "unread" not in described else self.language
        if "opt_out" in name or "optout" in name:
            return opt_out(self.messages)
        if name in _REPLY:
            return self.reply.text
        value = self._stated(name, schema)
        if value is None and self.on_the_phone and self._asked_kind(name, schema) == "datetime":
            said = " ".join(message.honest for message in self.messages)
            return claude_calls.hour_in(said, self.prompt.now)
        if (
            value is None
            and schema.get("type") == "string"
            and self.messages
            and self._asked_kind(name, schema) == "text"
        ):
            return " ".join(m.text for m in self.messages)
        return value

    def _stated(self, name: str, schema: Schema) -> Any:
        """What the contact stated under this name, else what the facts say."""
        described = str(schema.get("description") or "")
        stated = facts_of(self.messages, [Offer(name, described)], {name: self._asked_kind(name, schema)})
        if stated:
            return _typed(stated[0].value, schema)
        known = self.prompt.known_like(folded(name))
        return None if known is None else _typed(known, schema)

    @staticmethod
    def _asked_kind(name: str, schema: Schema) -> str:
        formatted = {"date": "date", "date-time": "datetime", "email": "email"}.get(str(schema.get("format")))
        kind = formatted or _kind(name, str(schema.get("description") or ""))
        return "number" if kind == "text" and schema.get("type") in ("number", "integer") else kind


def _offers(schema: Schema) -> list[Offer]:
    """The names of an enum, each with its line of the description."""
    lines = {
        m["name"]: f"{m['kind'] or ''} {m['text']}".strip()
        for m in _DESCRIBED.finditer(str(schema.get("description") or ""))
    }
    return [Offer(str(name), lines.get(str(name), "")) for name in schema["enum"]]


def _facts(messages: Sequence[Message], offers: Sequence[Offer]) -> list[Stated]:
    """What messages state of several facts: a value is one fact's, and of several choices the newest counts."""
    kinds = {offer.name: _kind(offer.name, offer.description) for offer in offers}
    found = {each.name: each for each in facts_of(messages, offers, kinds)}
    for offer in offers:
        listed = _CHOICES.search(offer.description) if kinds[offer.name] == "choice" else None
        choices = msgspec.json.decode(listed[1], type=list[str]) if listed else []
        for message in messages if choices else ():
            if chosen := claude_slots.chosen(folded(message.honest), choices):
                found[offer.name] = Stated(offer.name, *chosen)
    return list(found.values())


def _described(schema: Schema) -> str:
    """What a schema says of a fact, with its choices as they are told in a list of facts."""
    described = str(schema.get("description") or "")
    choices = [each for each in schema.get("enum") or () if each is not None]
    return f"choice one of {msgspec.json.encode(choices).decode()}: {described}" if choices else described


def _kind(name: str, description: str) -> str:
    """What kind of value a name asks for: by a kind in the description's first word, else by the words of the name."""
    first = folded(description).split(" ", 1)[0]
    if first in ("date", "datetime", "amount", "number", "reference", "phone", "email", "choice", "text"):
        return first
    for words in (stems(name), stems(description)):
        for kind, signs in _KINDS:
            if any(set(sign.split("+")) <= set(words) for sign in signs if sign != "at" or words[-1:] == ["at"]):
                return "date" if kind == "datetime" and "date" in words else kind
    return "text"


def _typed(value: Any, schema: Schema) -> Any:
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(float(str(value).replace(",", "")))
        if kind == "number":
            number = float(str(value).replace(",", ""))
            return int(number) if number.is_integer() else number
    except ValueError:
        return None
    return str(value) if kind == "string" else value


def _nothing(schema: Schema) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    empty: dict[str, Any] = {"string": "", "boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}
    return empty.get(str(schema.get("type")))
