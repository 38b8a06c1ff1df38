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
from libs.config.load import load_bundle
from libs.config.moving import obstacle
from libs.domain.matter import Matter
from libs.kit import folds, ids
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.clock import Clock
from libs.kit.store import ANY, Append, Store
from services.cli.admin import connected
from services.cli.settings import Settings, UserError
from services.cli.system import BundleRefused, publish
from services.orchestrator.gather import CONVERSATIONS

SHORT = 12
"""So many characters of a hash are shown, and enough to name a bundle."""
CURRENT = "current"
STREAM = "config-bundle"
OPEN = "SELECT conversation FROM orchestrator.contact_conversation WHERE tenant = $1 AND conversation IS NOT NULL"
BY_PREFIX = "SELECT hash FROM ops.bundle WHERE starts_with(hash, $1)"


@dataclass(frozen=True, slots=True)
class Running:
    """A matter that is open, and where."""

    conversation: str
    matter: Matter


def of_folder(settings: Settings, folder: Path | None) -> Bundle:
    """The bundle of a folder, checked. Raises BundleRefused."""
    loaded = load_bundle(folder or settings.config, settings.environment, settings.profile)
    if loaded.bundle is None:
        raise BundleRefused(loaded.findings)
    return loaded.bundle


async def publish_folder(settings: Settings, console: Console, folder: Path | None, tenant: str) -> int:
    """Check, store and announce a bundle; say what it changes, and what runs on in older ones."""
    bundle = of_folder(settings, folder)
    async with connected(settings) as (store, clock):
        try:
            before: Bundle | None = await Bundles(store, Bundle.from_json).current(tenant)
        except NothingPublished:
            before = None
        if not await publish(store, clock, bundle, tenant):
            console.print(f"{bundle.hash[:SHORT]} decides already; nothing has changed")
            return 0
        console.print(f"published {bundle.hash[:SHORT]}" + (f", after {before.hash[:SHORT]}" if before else ""))
        if before is not None:
            _print_changes(console, diff.differences(before, bundle))
        older = [each for each in await running(store, tenant) if each.matter.bundle != bundle.hash]
        if older:
            matters = "1 open matter goes" if len(older) == 1 else f"{len(older)} open matters go"
            console.print(f"{matters} on in the bundle of their beginning (`converse config migrate`)")
    return 0


async def compare(settings: Settings, console: Console, old: str, new: str | None, tenant: str, as_json: bool) -> int:
    """Print what `new` (the configured folder) says otherwise than `old`; exit code 1 where they differ."""
    before = await named(settings, old, tenant)
    after = await named(settings, new, tenant) if new else of_folder(settings, None)
    changes = diff.differences(before, after)
    if as_json:
        sys.stdout.write(msgspec.json.encode(changes).decode() + "\n")
    elif changes:
        _print_changes(console, changes)
    else:
        console.print("they say the same")
    return 1 if changes else 0


async def show(
    settings: Settings, console: Console, name: str | None, tenant: str, *, as_json: bool, drawn: bool
) -> int:
    """Print what a bundle holds, all of it as JSON, or its maps and flows as pictures."""
    bundle = await named(settings, name, tenant) if name else of_folder(settings, None)
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
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
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
        if not chosen:
            console.print(f"nothing is to be moved to {target.hash[:SHORT]}")
            return 0
        table = Table("conversation", "process", "entity", "state", "step", "from", "")
        stays = 0
        for each in chosen:
            why = obstacle(each.matter, target)
            stays += why is not None
            table.add_row(*_place(each), Text(why or ("would move" if dry_run else "moves")))
        console.print(table)
        if not dry_run:
            await ask_to_move(
                store, clock, tenant, target, [each for each in chosen if obstacle(each.matter, target) is None]
            )
    return 1 if stays else 0


async def named(settings: Settings, name: str, tenant: str) -> Bundle:
    """A bundle by a folder, `current`, or the beginning of its hash. Raises UserError, BundleRefused."""
    folder = _folder(name)
    if folder is not None:
        return of_folder(settings, folder)
    async with connected(settings) as (store, _):
        return await _stored(store, name, tenant)


def _folder(name: str) -> Path | None:
    path = Path(name)
    return path if path.is_dir() else None


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


def _place(each: Running) -> tuple[str, str, str, str, str, str]:
    matter = each.matter
    step = f"{matter.flow}.{matter.step}" if matter.flow else "-"
    return (
        each.conversation[:SHORT],
        matter.process_type or "-",
        matter.entity_id or "-",
        matter.state or "-",
        step,
        matter.bundle[:SHORT],
    )


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
        if change.kind == "changed":
            line += f": {_short(change.before)} → {_short(change.after)}"
        console.print(Text(line, style=styles[change.kind]), soft_wrap=True)


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:79]}…"
