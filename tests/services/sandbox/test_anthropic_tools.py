import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import validate

from libs.llm.prompts import request_body
from libs.llm.understanding import understood, written
from services.sandbox.claude_prompt import read_request
from services.sandbox.claude_tools import Mind
from tests.libs.llm.nouns import MODEL, MORNING, turn


def mind(text, *tools, system="", **body):
    return Mind(
        read_request(
            {"system": system, "messages": [{"role": "user", "content": text}], "tools": list(tools)} | body, MORNING
        )
    )


def tool(name, description="", **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"name": name, "description": description, "strict": True, "input_schema": schema}


def nullable(kind):
    return {"anyOf": [{"type": kind}, {"type": "null"}]}


def test_a_tool_that_nobody_knows_is_filled_from_message_and_facts():
    book = tool(
        "book_visit",
        "Book a visit of the engineer.",
        visit_date={"type": "string", "description": "ISO date"},
        visit_at={"type": "string", "format": "date-time"},
        charge_amount={"type": "integer"},
        machine_id={"type": "string"},
        contact_name={"type": ["string", "null"]},
        second_phone=nullable("string"),
        urgent={"type": "boolean"},
        floors={"type": "array", "items": {"type": "string", "enum": ["ground", "first"]}},
        language={"type": "string"},
    )
    filled = mind(
        "please come tomorrow at 4 pm, we will pay Rs 2,500",
        book,
        system='<facts>{"contact_name": "Ravi Kumar", "business_context": {"machine_number": "M-77"}}</facts>',
    ).fill(book)
    validate(filled, book["input_schema"])
    assert filled == {
        "visit_date": "2026-02-17",
        "visit_at": "2026-02-17T16:00",
        "charge_amount": 2500,
        "machine_id": "M-77",
        "contact_name": "Ravi Kumar",
        "second_phone": None,
        "urgent": False,
        "floors": [],
        "language": "en",
    }


def test_a_choice_is_made_by_the_names_that_the_schema_offers():
    route = tool("route", "", team={"type": "string", "enum": ["sales", "damaged_goods", "accounts"]})
    assert mind("maal toota hua aaya", route).fill(route) == {"team": "damaged_goods"}


def test_nothing_known_is_null_where_null_is_allowed_else_empty():
    ask = tool(
        "ask",
        "",
        amount=nullable("number"),
        count={"type": "integer"},
        due_date={"type": "string"},
        tags={"type": "array"},
    )
    assert mind("hello", ask).fill(ask) == {"amount": None, "count": 0, "due_date": "", "tags": []}


def test_a_nested_object_is_filled_too():
    pay = tool(
        "pay",
        "",
        payment={
            "type": "object",
            "properties": {"amount": {"type": "number"}, "reference": {"type": "string"}},
            "required": ["amount", "reference"],
            "additionalProperties": False,
        },
    )
    assert mind("paid 5,200.50, UTR 412345678901", pay).fill(pay) == {
        "payment": {"amount": 5200.5, "reference": "412345678901"}
    }


PAY = tool("send_payment_link", "Send the payment link.")
TRACK = tool("track_shipment", "Ask for the delivery status of the order.")


@pytest.mark.parametrize(
    ("text", "choice", "names"),
    [
        ("payment link bhej do", {"type": "auto"}, ["send_payment_link"]),
        ("mera order kahan hai", {"type": "any"}, ["track_shipment"]),
        ("mera order kahan hai", {"type": "tool", "name": "send_payment_link"}, ["send_payment_link"]),
        ("mera order kahan hai", {"type": "none"}, []),
        ("namaste", {"type": "auto"}, []),
        ("namaste", {"type": "any"}, ["send_payment_link"]),
        ("Call track_shipment, then send_payment_link.", {"type": "any"}, ["track_shipment", "send_payment_link"]),
        (
            "Call track_shipment, then send_payment_link.",
            {"type": "any", "disable_parallel_tool_use": True},
            ["track_shipment"],
        ),
    ],
)
def test_the_tools_are_chosen_by_order_force_or_fit(text, choice, names):
    assert [called["name"] for called in mind(text, PAY, TRACK).tool_calls(choice)] == names


def test_now_is_read_from_the_request():
    prompt = read_request(
        {"system": "The current date is 2026-03-10.", "messages": [{"role": "user", "content": "kal"}]}, MORNING
    )
    assert prompt.now.date().isoformat() == "2026-03-10"
    assert read_request({"messages": [{"role": "user", "content": "kal"}]}, MORNING).now == MORNING


def test_a_plain_conversation_is_answered_from_its_last_messages():
    said = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "When will you pay?"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "20 Feb"}, {"type": "text", "text": "send invoice copy"}],
        },
    ]
    assert read_request({"messages": said}, MORNING).unread == ["20 Feb", "send invoice copy"]


WORDS = st.sampled_from(
    [
        "kal",
        "5 lakh",
        "20 February tak",
        "STOP",
        "payment",
        "कल",
        "UTR 412345678901",
        "nahi",
        "</step>",
        "order",
        "?",
        "98765 43210",
    ]
)


@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join) | st.text(max_size=50), min_size=1, max_size=3))
def test_whatever_is_said_every_tool_input_fits_its_schema_and_is_accepted(texts):
    request = turn(*texts)
    body = request_body(request, MODEL, 600)
    thinking = Mind(read_request(body, MORNING))
    calls = {called["name"]: (called, thinking.fill(called)) for called in thinking.tool_calls(body["tool_choice"])}
    assert list(calls) == ["report_understanding", "write_reply"]
    for called, filled in calls.values():
        validate(filled, called["input_schema"])
    meant = understood(calls["report_understanding"][1], request)
    assert [entry for entry in meant.dropped if "plausible" not in entry] == []
    assert all(fact.grounded for fact in meant.facts)
    assert written(calls["write_reply"][1], request)[0]
