"""The configuration bundle from the command line: publish, compare, look at, draw, and move what runs."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from events.base import Cause, Draft
from events.config import MigrationRequested, Published
from libs.config import diff, picture
from libs.config.bundle import Bundle
from libs.config.moving import obstacle
from libs.domain.matter import Matter
from libs.kit import folds, ids
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.clock import Clock
from libs.kit.store import ANY, Append, Store
from services.cli.admin import connected, tell
from services.cli.settings import Settings, UserError
from services.cli.system import checked_bundle, publish
from services.orchestrator.gather import CONVERSATIONS

SHORT = 12
"""So many characters of a hash are shown, and enough to name a bundle."""
MOST = 80
"""Letters of a value that a difference shows."""
CURRENT = "current"
STREAM = "config-bundle"
OPEN = "SELECT conversation FROM orchestrator.contact_conversation WHERE tenant = $1 AND conversation IS NOT NULL"
BY_PREFIX = "SELECT hash FROM ops.bundle WHERE starts_with(hash, $1)"


@dataclass(frozen=True, slots=True)
class Running:
    """A matter that is open, and where."""

    conversation: str
    matter: Matter


class Publication(msgspec.Struct, frozen=True):
    """What publishing came to. `previous`: the bundle that decided before; `staying`: matters open in older ones."""

    bundle: str
    published: bool
    previous: str | None
    changes: list[diff.Change]
    staying: int


class Moving(msgspec.Struct, frozen=True):
    """An open matter that is to move to another bundle; it stays where there is an `obstacle`."""

    conversation: str
    matter: str
    process: str | None
    entity: str | None
    state: str | None
    step: str | None
    bundle: str
    obstacle: str | None


async def publish_folder(settings: Settings, console: Console, folder: Path | None, tenant: str, as_json: bool) -> int:
    """Check, store and announce a bundle; say what it changes, and what runs on in older ones."""
    bundle = checked_bundle(settings, folder)
    async with connected(settings) as (store, clock):
        try:
            before: Bundle | None = await Bundles(store, Bundle.from_json).current(tenant)
        except NothingPublished:
            before = None
        new = await publish(store, clock, bundle, tenant)
        older = [each for each in await running(store, tenant) if each.matter.bundle != bundle.hash]
    changes = diff.differences(before, bundle) if new and before is not None else []
    told = Publication(bundle.hash, new, before.hash if before else None, changes, len(older))
    if as_json:
        tell(told)
    else:
        _print_publication(console, told)
    return 0


async def compare(settings: Settings, console: Console, old: str, new: str | None, tenant: str, as_json: bool) -> int:
    """Print what `new` (the configured folder) says otherwise than `old`; exit code 1 where they differ."""
    before = await named(settings, old, tenant)
    after = await named(settings, new, tenant) if new else checked_bundle(settings)
    changes = diff.differences(before, after)
    if as_json:
        tell(changes)
    elif changes:
        _print_changes(console, changes)
    else:
        console.print("they say the same")
    return 1 if changes else 0


async def show(
    settings: Settings, console: Console, name: str | None, tenant: str, *, as_json: bool, drawn: bool
) -> int:
    """Print what a bundle holds, all of it as JSON, or its maps and flows as a page of pictures."""
    bundle = await named(settings, name, tenant) if name else checked_bundle(settings)
    if as_json:
        sys.stdout.write(bundle.to_json().decode() + "\n")
    elif drawn:
        sys.stdout.write(picture.pictures(bundle))
    else:
        table = Table("what", "number", "names", title=f"bundle {bundle.hash[:SHORT]}", title_justify="left")
        for what, names in _contents(bundle):
            table.add_row(what, str(len(names)), Text(", ".join(names)))
        console.print(table)
    return 0


async def history(settings: Settings, console: Console, tenant: str, as_json: bool) -> int:
    """Every publication, the newest last, and how many open matters are in each bundle."""
    async with connected(settings) as (store, _):
        facts = await store.read_stream(tenant, STREAM)
        open_matters = await running(store, tenant)
    published = [(fact, fact.event) for fact in facts if isinstance(fact.event, Published)]
    rows = [
        {
            "bundle": event.bundle,
            "published_at": fact.envelope.recorded_at,
            "by": fact.envelope.actor or fact.envelope.source,
            "open_matters": sum(each.matter.bundle == event.bundle for each in open_matters),
        }
        for fact, event in published
    ]
    if as_json:
        tell(rows)
        return 0
    table = Table("bundle", "published at", "by", "open matters")
    for row in rows:
        at: Any = row["published_at"]
        table.add_row(
            str(row["bundle"])[:SHORT], at.isoformat(timespec="seconds"), str(row["by"]), str(row["open_matters"])
        )
    console.print(table)
    return 0


async def migrate(
    settings: Settings,
    console: Console,
    tenant: str,
    *,
    to: str,
    conversation: str | None,
    process: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Move open matters to a published bundle; those that it has no place for stay, and the exit code is 1."""
    async with connected(settings) as (store, clock):
        target = await _stored(store, to, tenant)
        chosen = [
            each
            for each in await running(store, tenant)
            if each.matter.bundle != target.hash
            and conversation in (None, each.conversation)
            and process in (None, each.matter.process_type)
        ]
        moving = [_moving(each, target) for each in chosen]
        if as_json:
            tell({"to": target.hash, "matters": moving})
        elif moving:
            _print_moving(console, moving, dry_run=dry_run)
        else:
            console.print(f"nothing is to be moved to {target.hash[:SHORT]}")
        if not dry_run:
            goes = [each for each, told in zip(chosen, moving, strict=True) if told.obstacle is None]
            await ask_to_move(store, clock, tenant, target, goes)
    return 1 if any(each.obstacle for each in moving) else 0


async def named(settings: Settings, name: str, tenant: str) -> Bundle:
    """A bundle by a folder, `current`, or the beginning of its hash. Raises UserError, BundleRefused."""
    if (folder := Path(name)).is_dir():
        return checked_bundle(settings, folder)
    async with connected(settings) as (store, _):
        return await _stored(store, name, tenant)


async def running(store: Store, tenant: str) -> list[Running]:
    """The matters that are open."""
    found: list[Running] = []
    for row in await store.pool.fetch(OPEN, tenant):
        state = (await folds.read(store, CONVERSATIONS, tenant, f"conversation-{row['conversation']}")).state
        found += [Running(row["conversation"], matter) for matter in state.live]
    return found


async def _stored(store: Store, name: str, tenant: str) -> Bundle:
    bundles = Bundles(store, Bundle.from_json)
    try:
        if name == CURRENT:
            return await bundles.current(tenant)
    except NothingPublished as nothing:
        raise UserError(str(nothing)) from nothing
    found = [row["hash"] for row in await store.pool.fetch(BY_PREFIX, name)] if name else []
    if len(found) != 1:
        how = "no stored bundle" if not found else "more than one stored bundle"
        raise UserError(f"{name!r} is no folder, and {how} begins so: `converse config history` lists them")
    return await bundles.get(found[0])


async def ask_to_move(store: Store, clock: Clock, tenant: str, target: Bundle, chosen: list[Running]) -> None:
    """One request a conversation, which the orchestrator hears."""
    by_conversation: dict[str, list[str]] = {}
    for each in chosen:
        by_conversation.setdefault(each.conversation, []).append(each.matter.id)
    for conversation, matters in by_conversation.items():
        cause_id = ids.fresh()
        cause = Cause(correlation_id=cause_id, occurred_at=clock.now(), source="cli", id=cause_id)
        stream = f"config-migration-{conversation}"
        asked = MigrationRequested(conversation=conversation, bundle=target.hash, matters=matters)
        async with store.transaction(await store.shard_of(tenant)) as unit:
            await unit.commit(appends=[Append(tenant, stream, ANY, [Draft(stream, asked)], cause)])


def _moving(each: Running, target: Bundle) -> Moving:
    matter = each.matter
    return Moving(
        conversation=each.conversation,
        matter=matter.id,
        process=matter.process_type,
        entity=matter.entity_id,
        state=matter.state,
        step=f"{matter.flow}.{matter.step}" if matter.flow else None,
        bundle=matter.bundle,
        obstacle=obstacle(matter, target),
    )


def _print_moving(console: Console, moving: list[Moving], *, dry_run: bool) -> None:
    table = Table("conversation", "process", "entity", "state", "step", "from", "")
    for each in moving:
        place = (each.conversation[:SHORT], each.process, each.entity, each.state, each.step, each.bundle[:SHORT])
        why = each.obstacle or ("would move" if dry_run else "moves")
        table.add_row(*(Text(cell or "-") for cell in (*place, why)))
    console.print(table)


def _print_publication(console: Console, told: Publication) -> None:
    if not told.published:
        console.print(f"{told.bundle[:SHORT]} decides already; nothing has changed")
        return
    console.print(f"published {told.bundle[:SHORT]}" + (f", after {told.previous[:SHORT]}" if told.previous else ""))
    _print_changes(console, told.changes)
    if told.staying:
        goes = (
            "1 open matter goes on in the bundle of its"
            if told.staying == 1
            else f"{told.staying} open matters go on in the bundle of their"
        )
        console.print(f"{goes} beginning (`converse config migrate`)")


def _contents(bundle: Bundle) -> list[tuple[str, list[str]]]:
    return [
        ("rules", [rule.id for rule in bundle.rules]),
        ("state maps", list(bundle.state_maps)),
        ("flows", list(bundle.flows)),
        ("templates", [f"{channel}/{each}" for channel, texts in bundle.templates.items() for each in texts]),
        ("endpoints", list(bundle.settings.backend.endpoints)),
        ("channels", list(bundle.settings.channels)),
        ("prices", sorted({each.provider for each in bundle.prices})),
    ]


def _print_changes(console: Console, changes: list[diff.Change]) -> None:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    styles = {"added": "green", "removed": "red", "changed": "yellow"}
    for change in changes:
        line = f"{signs[change.kind]} {change.path}"
        before, after = _shown(change.before), _shown(change.after)
        match change.kind:
            case "changed":
                line += ": {} → {}".format(*_around(before, after))
            case "added" if len(after) <= MOST:
                line += f": {after}"
            case "removed" if len(before) <= MOST:
                line += f": {before}"
        console.print(Text(line, style=styles[change.kind]), soft_wrap=True)


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _around(before: str, after: str) -> tuple[str, str]:
    """Both values from a little before the place where they begin to differ, where they are long."""
    if max(len(before), len(after)) <= MOST:
        return before, after
    alike = next((n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), 0)
    start = max(0, alike - MOST // 4)
    return _part(before, start), _part(after, start)


def _part(text: str, start: int) -> str:
    cut = text[start : start + MOST]
    return f"{'…' if start else ''}{cut}{'…' if start + MOST < len(text) else ''}"
