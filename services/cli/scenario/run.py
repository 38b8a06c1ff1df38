"""`converse scenario run`: every scenario of a bundle, or some, against the emulated or the real Claude."""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path

import msgspec
from rich.console import Console

from libs.config.bundle import Bundle
from libs.config.load import load_scenarios
from libs.config.model import LLM_API_KEY
from libs.config.scenario import Scenario
from libs.config.secrets import resolve
from libs.kit.embedded import PostgresServer
from libs.kit.migrate import migrate
from libs.kit.store import Store
from services.cli.admin import tell
from services.cli.scenario import report
from services.cli.scenario.coverage import Covered, as_percent, coverage
from services.cli.scenario.judge import differences
from services.cli.scenario.play import Played, play
from services.cli.scenario.report import Result
from services.cli.scenario.stage import Llm, Stage, stage
from services.cli.settings import Settings, UserError
from services.cli.system import BundleRefused, checked_bundle

MASTER = bytes(32)
"""Seals what is thrown away at the end."""


class Report(msgspec.Struct, kw_only=True):
    """What `--json` prints. `uncovered`: by process, what no scenario takes; null where only some were run."""

    llm: Llm
    results: list[Result]
    transitions: dict[str, str]
    steps: dict[str, str]
    uncovered: dict[str, list[str]] | None


async def run(
    settings: Settings, console: Console, names: Sequence[str], folder: Path | None, llm: Llm, as_json: bool
) -> int:
    """Play the scenarios whose names begin with, or fit, one of `names` (none: all). 0 where all is as it should be.

    A run of all fails as well where a transition or a step was taken by none.
    """
    where = folder or settings.config
    bundle, known = loaded(where, settings)
    chosen = [each for each in known if not names or any(_is_meant(each.name, name) for name in names)]
    if not chosen:
        raise UserError(_nothing(where, names, [each.name for each in known]))
    if llm == "real" and resolve(LLM_API_KEY, settings.environment) is None:
        raise UserError("--llm real needs CONVERSE_LLM_API_KEY")
    quiet = Console(file=sys.stderr) if as_json else console
    results: list[Result] = []
    played: list[Played] = []
    async with _own_database() as store, stage(store, bundle, settings.environment, llm) as here:
        for scenario in chosen:
            one, told = await one_of(scenario, here)
            played.append(one)
            results.append(told)
            report.tell(quiet, told)
    covered = coverage(here.bundle, [each.facts for each in played])
    everything = len(chosen) == len(known)
    if as_json:
        tell(_report(llm, results, covered, everything=everything))
    else:
        for one, told in zip(played, results, strict=True):
            if not told.passed:
                report.explain(console, one, told)
        console.print()
        report.count(console, covered if everything else [each for each in covered if _touched(each)])
        if everything:
            report.miss(console, covered)
        report.sum_up(console, results)
    uncovered = everything and any(each.missing for each in covered)
    return 0 if all(each.passed for each in results) and not uncovered else 1


async def one_of(scenario: Scenario, here: Stage) -> tuple[Played, Result]:
    """Play one and judge it."""
    began = time.monotonic()
    one = await play(scenario, here)
    return one, report.result(one, differences(one), time.monotonic() - began)


def loaded(folder: Path, settings: Settings) -> tuple[Bundle, tuple[Scenario, ...]]:
    """A bundle and its scenarios. Raises BundleRefused with the findings of either."""
    bundle = checked_bundle(settings, folder)
    scenarios, findings = load_scenarios(folder, bundle)
    if findings:
        raise BundleRefused(findings)
    return bundle, scenarios


@asynccontextmanager
async def _own_database() -> AsyncIterator[Store]:
    """A PostgreSQL that is gone afterwards."""
    async with PostgresServer() as server:
        await migrate(server.url)
        async with Store.open(server.url, master=MASTER, name="scenarios", connections=3) as store:
            yield store


def _is_meant(name: str, asked: str) -> bool:
    return name.startswith(asked) or fnmatch(name, asked)


def _nothing(folder: Path, names: Sequence[str], known: Sequence[str]) -> str:
    """That no scenario is meant, and which may have been."""
    if not known:
        return f"there are no scenarios in {folder / 'scenarios'}"
    last = {each.rsplit("/", 1)[-1]: each for each in known}
    like = [found for name in names for found in get_close_matches(name.rsplit("/", 1)[-1], last, cutoff=0.5)]
    folders = sorted({each.split("/", 1)[0] for each in known})
    meant = (
        f"did you mean {' or '.join(last[each] for each in like)}?"
        if like
        else f"names begin with {' or '.join(folders)}"
    )
    return f"there is no scenario {' or '.join(names)} among {len(known)}: {meant}"


def _touched(covered: Covered) -> bool:
    return any(covered.transitions.values())


def _report(llm: Llm, results: list[Result], covered: Sequence[Covered], *, everything: bool) -> Report:
    return Report(
        llm=llm,
        results=results,
        transitions={each.process: as_percent(each.transitions) for each in covered},
        steps={each.process: as_percent(each.steps) for each in covered},
        uncovered={each.process: each.missing for each in covered} if everything else None,
    )
