"""What a call costs: by pulses, seconds, characters and tokens, at the prices of its day."""

from datetime import date
from pathlib import Path

import pytest

from events.values import Cost
from libs.config import call_costs
from libs.config.bundle import Bundle
from libs.config.call_costs import Terms, Usage, by_component, consumed, over, per_minute, terms_of, total
from libs.config.compile import compile_bundle

DAY = date(2026, 11, 29)
SHIPPED = Path(__file__).parents[3] / "infra/config/prices.yaml"
DEMO_MIX = Usage(
    seconds=150,
    heard={("deepgram", "nova-3"): 150},
    spoken={("cartesia", "sonic-3.5"): 1012},
    tokens={
        ("token_in", "claude-haiku-5-5:cache_read"): 37_500,
        ("token_in", "claude-haiku-5-5"): 8_750,
        ("token_out", "claude-haiku-5-5"): 1_500,
    },
)
"""A usual call: two and a half minutes, 45 % of them spoken by us, 12.5 turns."""


def bundle(prices: str) -> Bundle:
    loaded = compile_bundle({"prices.yaml": prices}, {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return bundle(SHIPPED.read_text())


def test_the_demo_mix_is_about_three_rupees_a_minute_by_the_shipped_prices(shipped: Bundle):
    items = consumed(DEMO_MIX, shipped, DAY)
    costs = by_component(items, shipped, DAY)
    minute = {name: per_minute(call_costs.in_home(cost, shipped, DAY) or 0, 150) for name, cost in costs.items()}
    assert minute == {
        "telephony": 960_000,  # three pulses of ₹0.80 in two and a half minutes
        "stt": 522_000,  # 0.0058 USD at ₹90
        "tts": pytest.approx(1_362_557, abs=100),  # 405 characters a minute
        "llm": pytest.approx(72_000, abs=1_500),
    }
    assert 2_900_000 < per_minute(total(costs.values(), shipped, DAY), 150) < 3_000_000


def test_a_call_is_paid_in_whole_pulses(shipped: Bundle):
    for seconds, pulse_s, rupees in ((1, 60, 0.8), (60, 60, 0.8), (61, 60, 1.6), (61, 15, 1.0), (0, 60, None)):
        costs = by_component(consumed(Usage(seconds=seconds), shipped, DAY, pulse_s), shipped, DAY)
        found = costs["telephony"].micros / 1_000_000 if costs else None
        assert found == rupees, f"{seconds} s in pulses of {pulse_s} s"


def test_the_newest_price_of_that_day_counts():
    line = "  - {provider: exotel, unit: minute, currency: INR, amount: %s, effective: %s}\n"
    dated = bundle("prices:\n" + line % ("0.80", "2026-01-01") + line % ("1.20", "2026-12-01"))
    before, after = (
        by_component(consumed(Usage(seconds=60), dated, day), dated, day)["telephony"].micros
        for day in (date(2026, 11, 30), date(2026, 12, 1))
    )
    assert (before, after) == (800_000, 1_200_000)


def test_what_has_no_price_is_told_and_not_reckoned():
    [item] = consumed(Usage(seconds=0, spoken={("elevenlabs", "eleven_flash_v2_5"): 40}), bundle("prices: []"), DAY)
    assert (item.quantity, item.cost) == (40, None)
    assert by_component([item], bundle("prices: []"), DAY) == {}
    *_, whole = call_costs.table([item], 60, bundle("prices: []"), DAY)
    assert "no price" in whole[1]


def test_two_voices_in_two_currencies_are_one_component_in_rupees(shipped: Bundle):
    with_rupees = bundle(
        SHIPPED.read_text()
        + "  - {provider: sarvam, unit: character, currency: INR, amount: 30, per: 10000, effective: 2026-01-01}\n"
    )
    usage = Usage(seconds=0, spoken={("cartesia", "sonic-3.5"): 1_000_000, ("sarvam", "bulbul"): 10_000})
    assert by_component(consumed(usage, with_rupees, DAY), with_rupees, DAY) == {
        "tts": Cost(currency="INR", micros=37_400_000 * 90 + 30_000_000)
    }


def test_a_limit_is_reached_by_all_components_together(shipped: Bundle):
    costs = {"telephony": Cost(currency="INR", micros=9_000_000), "llm": Cost(currency="USD", micros=20_000)}
    assert over(costs, {"INR": 10_800_000}, shipped, DAY)
    assert not over(costs, {"INR": 10_800_001}, shipped, DAY)
    assert over(costs, {"USD": 20_000}, shipped, DAY)
    assert not over(costs, {}, shipped, DAY)


def test_the_table_names_what_was_taken_and_its_dated_price(shipped: Bundle):
    rows = call_costs.table(consumed(DEMO_MIX, shipped, DAY), 150, shipped, DAY)
    assert rows[0] == ("telephony", "3 pulses, exotel", "INR 0.80/minute since 2026-01-01", "₹0.96")
    assert rows[2] == (
        "tts",
        "1,012 characters, cartesia sonic-3.5",
        "USD 37.4/1,000,000 character since 2026-01-01",
        "₹1.36",
    )
    assert rows[-1] == ("in all", "150 s", "INR 90/USD since 2026-01-01", "₹2.92")


def test_the_settings_say_pulses_alarm_and_limit():
    told = {"costs": {"pulse_seconds": 15, "per_minute": {"INR": 3.5}, "per_call": {"INR": 25}}}
    assert terms_of(told) == Terms(pulse_s=15, per_minute={"INR": 3_500_000}, per_call={"INR": 25_000_000})
    assert terms_of({}).per_minute == {"INR": 4_000_000}
