"""The shipped bundle's own intents, as its authors describe them."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from services.sandbox.understanding import Offer, intents_of, read
from tests.libs.llm.nouns import MORNING

MAPS = YAML(typ="safe").load(Path(__file__).parents[3] / "infra" / "config" / "state_maps.yaml")["state_maps"]
OFFERED = {m["process_type"]: [Offer(name, described) for name, described in m["intents"].items()] for m in MAPS}


def first(process, text):
    found = intents_of([read(text, MORNING.replace(tzinfo=None))], OFFERED[process])
    return found[0].name if found else None


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Haan ji, 20 February tak kar denge", "promise_to_pay"),
        ("कल भुगतान कर देंगे", "promise_to_pay"),
        ("half payment kal kar dunga", "partial_payment"),
        ("Payment kar diya hai", "already_paid"),
        ("UTR SBIN412345678901", "payment_reference"),
        ("noted, will check", "acknowledge"),
        ("theek hai", "acknowledge"),
        ("call me tomorrow at 11", "ask_later"),
        ("invoice galat hai", "dispute_invoice"),
        ("goods were damaged", "dispute_invoice"),
        ("main Priya nahi hoon", "wrong_person"),
        ("manager se baat karao", "speak_to_person"),
    ],
)
def test_the_payment_map_is_understood(text, intent):
    assert first("payment_collection", text) == intent


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("haan sab sahi hai", "order_correct"),
        ("ok", "order_correct"),
        ("mera order kahan hai", "where_is_order"),
        ("saman kharab hai", "report_issue"),
        ("item missing hai", "report_issue"),
        ("2 piece toote hue mile", "issue_details"),
        ("order mil gaya, sab theek hai", "order_received"),
        ("cancel kar do", "change_order"),
        ("manager se baat karni hai", "speak_to_person"),
    ],
)
def test_the_order_map_is_understood(text, intent):
    assert first("order_fulfillment", text) == intent
