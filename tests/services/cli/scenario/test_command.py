"""`converse scenario run`: what it prints, and when it says no."""

from pathlib import Path

import msgspec

from services.cli.scenario.run import Report
from tests.services.cli.conftest import bundle_with, run


def test_a_run_of_some_says_what_came_of_each_and_how_much_was_taken():
    ran = run(
        "scenario", "run", "payment_collection/promise*", "payment_collection/wrong_person", "--json", environment={}
    )
    assert ran.exit_code == 0, ran.output
    told = msgspec.json.decode(ran.stdout, type=Report)
    assert told.llm == "emulated"
    assert len(told.results) >= 4
    assert all(each.passed and each.turns for each in told.results)
    assert told.transitions["order_fulfillment"].startswith("0/")
    assert told.uncovered is None, "what a run of some leaves out says nothing"


def test_a_run_of_some_counts_what_they_take_and_lists_nothing_else():
    ran = run("scenario", "run", "payment_collection/pays_by_itself", environment={})
    assert ran.exit_code == 0, ran.output
    assert "payment_collection │ 2/37 (5%)" in ran.output
    assert "order_fulfillment" not in ran.output
    assert "not taken" not in ran.output


def test_what_fails_is_explained_with_its_transcript_and_a_run_of_all_wants_everything_taken(tmp_path: Path):
    folder = bundle_with(tmp_path, 'promised_date: "2026-02-20"', 'promised_date: "2026-02-21"')
    for file in (folder / "scenarios").rglob("*.yaml"):
        if file.stem not in ("promises_a_day_and_pays", "refuses"):
            file.unlink()
    ran = run("scenario", "run", "--config", str(folder), environment={})
    assert ran.exit_code == 1
    assert "✘ payment_collection/promises_a_day_and_pays" in ran.output
    assert "after step 1 (line " in ran.output
    assert "there is no call like record_promise" in ran.output
    assert "reminded → promised by intent promise_to_pay" in ran.output
    assert "✔ payment_collection/refuses" in ran.output
    assert "not taken by order_fulfillment: placed → informed on outcome message_sent" in ran.output
    assert "→ acknowledged on intent partial_payment if not (extracted_info.amount exists)" in ran.output
    assert "1 of 2 scenarios passed" in ran.output


def test_a_scenario_that_names_what_is_not_there_is_a_finding_of_the_check(tmp_path: Path):
    folder = bundle_with(tmp_path, "      state: promised\n", "      state: promisd\n")
    for command in (["config", "check", str(folder)], ["scenario", "run", "--config", str(folder)]):
        refused = run(*command, environment={})
        assert refused.exit_code == 1
        assert "scenarios/payment_collection/promises_a_day_and_pays.yaml:" in refused.output
        assert "did you mean 'promised'?" in refused.output


def test_a_name_that_no_scenario_has_and_a_key_that_is_missing_are_told():
    unknown = run("scenario", "run", "nobody", environment={})
    assert unknown.exit_code == 1
    assert "there is no scenario nobody among " in unknown.output
    assert "names begin with order_fulfillment or payment_collection" in unknown.output
    mistyped = run("scenario", "run", "payment_collection/wrong_persn", environment={})
    assert "did you mean payment_collection/wrong_person" in mistyped.output
    keyless = run("scenario", "run", "--llm", "real", environment={"CONVERSE_LLM_API_KEY": ""})
    assert keyless.exit_code == 1
    assert "--llm real needs CONVERSE_LLM_API_KEY" in keyless.output
