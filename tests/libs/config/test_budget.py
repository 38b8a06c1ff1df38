"""What Claude may cost one conversation: read from the bundle, and held to prices that are there."""

import pytest

from libs.config.compile import compile_bundle
from libs.config.model import LlmBudget

PRICES = """
prices:
  - {provider: anthropic, unit: token_in, category: claude-haiku-5-5, currency: USD, amount: 0.1, per: 1000000, effective: 2026-01-01}
  - {provider: anthropic, unit: token_out, category: claude-haiku-5-5, currency: USD, amount: 0.5, per: 1000000, effective: 2026-01-01}
"""


def checked(budget: str):
    llm = f"llm: {{model: claude-haiku-5-5{', budget: ' + budget if budget else ''}}}\n"
    return compile_bundle({"settings.yaml": llm, "prices.yaml": PRICES}, {}, "development")


@pytest.mark.parametrize(
    ("budget", "read"),
    [
        ("", LlmBudget(tokens=500_000)),
        ("{tokens: 1000}", LlmBudget(tokens=1000)),
        ("{money: {USD: 0.25}}", LlmBudget(money={"USD": 250_000})),
    ],
)
def test_a_budget_is_read_in_tokens_and_millionths(budget: str, read: LlmBudget):
    bundle = checked(budget).bundle
    assert bundle is not None
    assert bundle.settings.llm.budget == read


@pytest.mark.parametrize(
    ("budget", "path"),
    [
        ("{money: {EUR: 1}}", "llm.budget.money.EUR"),
        ("{money: {USD: free}}", "llm.budget.money.USD"),
        ("{tokens: 0}", "llm.budget.tokens"),
        ("{token: 5}", "llm.budget.token"),
    ],
)
def test_a_budget_that_could_not_be_kept_is_found_where_it_stands(budget: str, path: str):
    loaded = checked(budget)
    assert loaded.bundle is None
    assert path in {finding.path for finding in loaded.findings}
