"""`converse projections`: build the read models anew while traffic flows, and prove that they equal the log."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from projections import PROJECTIONS
from projections import rebuild as building
from projections import verify as proving
from projections.base import Projection
from services.cli.admin import connected, tell
from services.cli.settings import Settings, UserError


async def rebuild(settings: Settings, console: Console, names: Sequence[str], as_json: bool) -> int:
    """Build new tables from the log beside the old ones, and let the views show them. Raises UserError."""
    chosen = _chosen(names)
    async with connected(settings) as (store, _):
        try:
            with _bar(console, "rebuilding", hidden=as_json) as progress:
                built = await building.rebuild(store, chosen, progress)
        except building.SwapRefused as error:
            raise UserError(str(error)) from error
    if as_json:
        tell(built)
        return 0
    table = Table("read model", "generation", "rows", "up to position")
    for each in built:
        table.add_row(each.name, str(each.generation), str(each.rows), str(each.pos))
    console.print(table)
    return 0


async def verify(settings: Settings, console: Console, names: Sequence[str], as_json: bool) -> int:
    """Compare the tables with the log at one position; 1 when they differ. Raises UserError."""
    chosen = _chosen(names)
    async with connected(settings) as (store, _):
        with _bar(console, "folding the log", hidden=as_json) as progress:
            verdicts = await proving.verify(store, chosen, progress)
    equal = all(verdict.equal for verdict in verdicts)
    if as_json:
        tell(verdicts)
        return 0 if equal else 1
    table = Table("read model", "position", "rows", "differing")
    for verdict in verdicts:
        colour = "green" if verdict.equal else "bold red"
        table.add_row(verdict.name, str(verdict.pos), str(verdict.rows), f"[{colour}]{verdict.differing}[/]")
    console.print(table)
    for verdict in verdicts:
        for each in verdict.differences:
            key = ", ".join(f"{name}={value}" for name, value in each.key.items())
            columns = f": {', '.join(each.columns)}" if each.columns else ""
            console.print(f"  {each.table} ({key}) {each.what}{columns}", markup=False, soft_wrap=True)
    if not equal:
        console.print(
            "[bold red]the read models differ from the log[/]; `converse projections rebuild` makes them anew"
        )
    return 0 if equal else 1


def _chosen(names: Sequence[str]) -> list[Projection]:
    known = {projection.name: projection for projection in PROJECTIONS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"there is no read model {', '.join(unknown)}: there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] or list(PROJECTIONS)


@contextmanager
def _bar(console: Console, what: str, *, hidden: bool) -> Iterator[building.Progress]:
    """A bar over the positions of the log."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=hidden) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
