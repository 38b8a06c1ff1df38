"""On the phone the emulated Claude says and does what was asked for: words first, or after a tool's result."""

import asyncio
import time
from typing import Any

import anthropic
import httpx
import pytest

from libs.llm.calls import GO_ON
from services.sandbox.anthropic import AnthropicSandbox
from services.sandbox.claude_faults import Fault, Pace
from tests.libs.llm.nouns import MODEL, MORNING, running

SYSTEM = """You are Asha of Acme, on the phone.
<business_context>{"invoice_number": "INV-2026-0042", "amount": 52400, "contact_name": "Priya Sharma"}</business_context>
<now>2026-02-16T10:30:00+05:30</now>
<step>Ask when they will pay the invoice.</step>"""
OPENING = [
    {"role": "user", "content": "(the call has been answered)"},
    {"role": "assistant", "content": "Namaste Priya ji, aapka invoice INV-2026-0042 baaki hai. Kab denge?"},
]
INTENTS = "promise_to_pay: will pay by a date\nalready_paid: has paid\ndispute: disagrees\nwrong_person: not them"

FACTS = {"payment_date": "date", "delivery_date": "date", "callback_at": "datetime", "amount": "amount"}


def tool(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "input_schema": {"type": "object", "properties": properties}}


TOOLS: Any = [
    tool(
        "report_intent",
        "What the contact wants.",
        intent={"type": "string", "enum": [each.split(":")[0] for each in INTENTS.split("\n")], "description": INTENTS},
        extracted_info={
            "type": "object",
            "properties": {
                name: {"type": ["string", "null"], "description": f"{kind}, as ISO 8601" if kind != "amount" else kind}
                for name, kind in FACTS.items()
            },
        },
    ),
    tool("send_on_channel", "Send it now.", channel={"type": "string", "enum": ["whatsapp", "sms", "email"]}),
    tool("schedule_callback", "Call again.", at={"type": "string", "format": "date-time"}),
    tool("transfer", "Hand over to a person.", reason={"type": "string"}),
    tool("end_call", "Hang up.", reason={"type": "string"}),
]


@pytest.fixture
def sandbox() -> AnthropicSandbox:
    return AnthropicSandbox(now=lambda: MORNING)


async def answered(
    sandbox: AnthropicSandbox, *said: dict[str, Any] | str
) -> tuple[str, dict[str, dict[str, Any]], str]:
    """Words, tool calls by name, and the stop reason of a streamed answer."""
    messages: Any = OPENING + [{"role": "user", "content": each} if isinstance(each, str) else each for each in said]
    async with (
        running(sandbox) as url,
        anthropic.AsyncAnthropic(api_key="x", base_url=url, max_retries=0) as client,
        client.messages.stream(
            model=MODEL,
            max_tokens=300,
            system=SYSTEM,
            messages=messages,
            tools=TOOLS,
        ) as stream,
    ):
        message = await stream.get_final_message()
    words = " ".join(block.text for block in message.content if block.type == "text")
    called = {block.name: dict(block.input) for block in message.content if block.type == "tool_use"}
    return words, called, str(message.stop_reason)


async def test_a_promise_is_answered_and_reported_at_once_and_nothing_that_was_not_said(sandbox: AnthropicSandbox):
    words, called, reason = await answered(sandbox, "Haan ji, 20 February tak kar denge.")
    assert "20 February 2026" in words
    stated = {"payment_date": "2026-02-20", "delivery_date": None, "callback_at": None, "amount": None}
    assert called == {"report_intent": {"intent": "promise_to_pay", "extracted_info": stated}}
    assert reason == "tool_use"


@pytest.mark.parametrize(
    ("said", "name", "given"),
    [
        ("mujhe invoice whatsapp pe bhej do", "send_on_channel", {"channel": "whatsapp"}),
        ("please email me the bill", "send_on_channel", {"channel": "email"}),
        ("call me after four", "schedule_callback", {"at": "2026-02-16T16:00+05:30"}),
        ("abhi busy hoon, chaar baje call karo", "schedule_callback", {"at": "2026-02-16T16:00+05:30"}),
        ("apne manager se baat karao", "transfer", {"reason": "apne manager se baat karao"}),
    ],
)
async def test_what_has_a_result_is_done_without_a_word(
    sandbox: AnthropicSandbox, said: str, name: str, given: dict[str, str]
):
    words, called, _ = await answered(sandbox, said)
    assert (words, called) == ("", {name: given})


@pytest.mark.parametrize("said", ["theek hai, bye", "galat number hai", "dobara call mat karna"])
async def test_who_is_done_hears_goodbye_and_the_call_ends(sandbox: AnthropicSandbox, said: str):
    words, called, _ = await answered(sandbox, said)
    assert words.endswith(("namaste.", "goodbye."))
    assert "end_call" in called


def result(name: str, given: dict[str, Any], *, failed: bool = False, words: str = "") -> list[dict[str, Any]]:
    """An answer that called a tool, and the tool's result."""
    use = {"type": "tool_use", "id": "t1", "name": name, "input": given}
    text = [{"type": "text", "text": words}] if words else []
    told = {"type": "tool_result", "tool_use_id": "t1", "content": "{}", "is_error": failed}
    return [{"role": "assistant", "content": [*text, use]}, {"role": "user", "content": [told]}]


async def test_a_result_is_told(sandbox: AnthropicSandbox):
    asked = "mujhe invoice whatsapp pe bhej do"
    words, called, _ = await answered(sandbox, asked, *result("send_on_channel", {"channel": "whatsapp"}))
    assert words.startswith("Maine WhatsApp par bhej diya hai.")
    assert called == {}
    words, _, _ = await answered(sandbox, asked, *result("send_on_channel", {"channel": "whatsapp"}, failed=True))
    assert "nahi ho paya" in words


async def test_what_was_said_with_the_call_is_not_said_again(sandbox: AnthropicSandbox):
    told = result("report_intent", {"intent": "promise_to_pay"}, words="Note kar liya hai.")
    words, called, reason = await answered(sandbox, "20 February tak kar denge", *told)
    assert (words, called, reason) == ("", {}, "end_turn")


async def test_nonsense_is_asked_again(sandbox: AnthropicSandbox):
    assert await answered(sandbox, "gurr brumm") == ("Maaf kijiye, ek baar phir boliye?", {}, "end_turn")


async def test_tokens_come_at_the_models_pace(sandbox: AnthropicSandbox):
    sandbox.paces = {"claude": Pace(), MODEL[:14]: Pace(first_token_ms=60, per_token_ms=5)}
    began = time.monotonic()
    words, _, _ = await answered(sandbox, "Haan ji, 20 February tak kar denge.")
    assert time.monotonic() - began >= 0.06 + 0.005 * (len(words.split()) - 1)


@pytest.mark.parametrize("kind", ["hung", "stall"])
async def test_it_may_fall_silent(sandbox: AnthropicSandbox, kind: Any):
    sandbox.faults.add(Fault(kind))
    body = {"model": MODEL, "max_tokens": 300, "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
    headers = {"x-api-key": "x", "anthropic-version": "2026-10-21"}
    async with (
        running(sandbox) as url,
        httpx.AsyncClient(base_url=url, timeout=60, headers=headers) as client,
        client.stream("POST", "/v1/messages", json=body) as answer,
    ):
        parts = answer.aiter_raw()
        heard = b""
        while kind == "stall" and b"content_block_delta" not in heard:
            heard += await anext(parts)
        rest = asyncio.ensure_future(anext(parts))
        while (await asyncio.wait([rest], timeout=0.3))[0]:
            heard += rest.result()
            rest = asyncio.ensure_future(anext(parts))
        rest.cancel()
        await asyncio.gather(rest, return_exceptions=True)
    assert (b"content_block_delta" in heard) == (kind == "stall")


async def test_an_answer_that_broke_off_is_gone_on_with_and_its_tools_are_called(sandbox: AnthropicSandbox):
    promise = "Haan ji, 20 February tak kar denge."
    whole, tools, _ = await answered(sandbox, promise)
    said = whole[: len(whole) // 2]
    rest, called, _ = await answered(sandbox, promise, {"role": "assistant", "content": said}, GO_ON)
    assert said + rest == whole
    assert called == tools


async def test_a_fault_waits_for_the_last_message_that_has_its_words(sandbox: AnthropicSandbox):
    sandbox.faults.add(Fault("overloaded", when="20 February"))
    await answered(sandbox, "Hello?")
    with pytest.raises(anthropic.APIStatusError):
        await answered(sandbox, "Haan ji, 20 February tak kar denge.")
