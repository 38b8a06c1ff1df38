"""`converse`: run the system, look into it, and repair it."""

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args

import typer
from rich.console import Console
from rich.text import Text

from libs.config import report
from libs.config.load import load_bundle, load_scenarios
from libs.domain.given import BIGINT
from libs.kit import auth, log
from services.cli import admin, chat, config, demo, doctor, imports, mendable, projections, trace, up
from services.cli.scenario import run as scenarios
from services.cli.scenario.stage import Llm
from services.cli.settings import LARGEST_PORT, TENANT, Settings, UserError, from_environment
from services.cli.stories import Wanted
from services.cli.system import BundleRefused

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback of ours is for a report, and its frames hold secrets
    help="ConverseAgent on the command line.",
)
config_app = typer.Typer(no_args_is_help=True, help="The configuration bundle.")
clock_app = typer.Typer(no_args_is_help=True, help="The business clock (development profile only).")
dlq_app = typer.Typer(no_args_is_help=True, help="Facts in quarantine.")
chat_app = typer.Typer(no_args_is_help=True, help="The chat on your web pages.")
scenario_app = typer.Typer(no_args_is_help=True, help="Conversation scenarios: they test a bundle.")
projections_app = typer.Typer(no_args_is_help=True, help="The tables that people look at, built from the log.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys.")
contacts_app = typer.Typer(no_args_is_help=True, help="Contacts.")
followups_app = typer.Typer(no_args_is_help=True, help="Follow-ups.")
app.add_typer(config_app, name="config")
app.add_typer(clock_app, name="clock")
app.add_typer(dlq_app, name="dlq")
app.add_typer(keys_app, name="keys")
app.add_typer(projections_app, name="projections")
app.add_typer(chat_app, name="chat")
app.add_typer(contacts_app, name="contacts")
app.add_typer(followups_app, name="followups")
app.add_typer(scenario_app, name="scenario")

WIDE = 160
"""Columns where the output goes to a file or a pipe."""

Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Names = Annotated[list[str] | None, typer.Argument(help="Default: all.")]
Folder = Annotated[Path | None, typer.Argument(help="Default: CONVERSE_CONFIG, or the shipped bundle.")]
NAMED = "A folder, `current`, or the beginning of a hash."
Csv = Annotated[Path, typer.Argument(help="CSV as a spreadsheet writes it; its first row names the columns.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="HEADER=FIELD[:text|money|date|number]; repeat.")]
DryRun = Annotated[bool, typer.Option("--dry-run/--write", help="Say what would happen, or do it.")]
Url = Annotated[str | None, typer.Option(help="Where the system is. Its key: CONVERSE_API_KEY.")]
Port = Annotated[int | None, typer.Option(min=1, max=LARGEST_PORT, help="The one HTTP port; CONVERSE_PORT, or 8000.")]


def _settings() -> Settings:
    """What the environment says; what it says wrongly ends the command."""
    try:
        return from_environment()
    except UserError as error:
        _refuse(str(error))


def _run(work: Callable[[Settings, Console], Coroutine[Any, Any, int]], settings: Settings) -> None:
    """Run a command's work; what a user can mend is told without a traceback, and where output for machines is not."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    try:
        code = up.run_loop(work(settings, console))
    except BundleRefused as refused:
        sys.stderr.write(report.as_text(refused.findings))
        raise typer.Exit(1) from refused
    except Exception as error:
        said = mendable.told(error, settings)
        if said is None:
            raise
        _refuse(said)
    raise typer.Exit(code)


def _refuse(said: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(Text(said, style="bold red"), soft_wrap=True)
    raise typer.Exit(1)


@app.command("up")
def up_command(port: Port = None) -> None:
    """Run everything in one process until Ctrl-C, and keep the data."""
    log.configure("console", level="warning")
    _run(up.run, up.with_port(_settings(), port))


@app.command("demo")
def demo_command(
    port: Port = None,
    patience: Annotated[float, typer.Option(help="Seconds to wait for each step.")] = demo.PATIENCE_S,
    channel: Annotated[Wanted, typer.Option(help="all: one matter that wanders over the four.")] = "whatsapp",
) -> None:
    """Show the main job, from an ERP event to a settled follow-up."""
    settings = up.with_port(_settings(), port, any_port=True)
    if channel == "voice":
        patience = max(patience, demo.CALL_PATIENCE_S)
    _run(lambda settings, console: demo.run(settings, console, patience, channel), settings)


@app.command("doctor")
def doctor_command(json: Json = False) -> None:
    """Say what works here and what does not, and what to do about it."""
    _run(lambda settings, console: doctor.run(settings, console, as_json=json), _settings())


@app.command("trace")
def trace_command(conversation: str, json: Json = False, tenant: str = TENANT) -> None:
    """Print a conversation as a causal trace."""

    async def work(settings: Settings, console: Console) -> int:
        async with admin.connected(settings) as (store, _):
            try:
                facts = await trace.facts_of(store, tenant, conversation)
            except trace.UnknownConversation as unknown:
                raise UserError(str(unknown)) from unknown
        if json:
            sys.stdout.write(trace.as_json(facts).decode() + "\n")
        else:
            console.print(trace.tree_of(facts, f"conversation {conversation}"))
        return 0

    _run(work, _settings())


@config_app.command("check")
def config_check(folder: Folder = None, json: Json = False) -> None:
    """Check a bundle and its scenarios: every finding with file, line, path, and what would be right."""
    settings = _settings()
    where = folder or settings.config
    loaded = load_bundle(where, settings.environment, settings.profile)
    findings = loaded.findings
    if loaded.bundle is not None:
        findings += load_scenarios(where, loaded.bundle)[1]
    sys.stdout.write(report.as_json(findings).decode() + "\n" if json else report.as_text(findings))
    raise typer.Exit(1 if any(each.severity == "error" for each in findings) else 0)


@config_app.command("publish")
def config_publish(folder: Folder = None, json: Json = False, tenant: str = TENANT) -> None:
    """Check a bundle, store it by its hash and let it decide from here on; what runs goes on in its own."""
    _run(lambda settings, console: config.publish_folder(settings, console, folder, tenant, json), _settings())


@config_app.command("diff")
def config_diff(
    old: Annotated[str, typer.Argument(help=NAMED)] = config.CURRENT,
    new: Annotated[str | None, typer.Argument(help="Default: CONVERSE_CONFIG, or the shipped bundle.")] = None,
    json: Json = False,
    tenant: str = TENANT,
) -> None:
    """Print what a bundle says otherwise than another one; exit code 1 where they differ."""
    _run(lambda settings, console: config.compare(settings, console, old, new, tenant, json), _settings())


@config_app.command("show")
def config_show(
    bundle: Annotated[str | None, typer.Argument(help=f"{NAMED} Default: the configured folder.")] = None,
    json: Json = False,
    picture: Annotated[
        bool, typer.Option("--picture", help="State maps and flows as pictures: a page for a browser.")
    ] = False,
    tenant: str = TENANT,
) -> None:
    """Print what a bundle holds."""

    async def work(settings: Settings, console: Console) -> int:
        return await config.show(settings, console, bundle, tenant, as_json=json, drawn=picture)

    _run(work, _settings())


@config_app.command("history")
def config_history(json: Json = False, tenant: str = TENANT) -> None:
    """List the bundles that were published, and how many open matters are in each."""
    _run(lambda settings, console: config.history(settings, console, tenant, json), _settings())


@config_app.command("migrate")
def config_migrate(
    to: Annotated[str, typer.Option(help=NAMED)] = config.CURRENT,
    conversation: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    process: Annotated[str | None, typer.Option(help="Only matters of this process type.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would move, and move nothing.")] = False,
    json: Json = False,
    tenant: str = TENANT,
) -> None:
    """Move what runs to another published bundle, where that has a place for it."""

    async def work(settings: Settings, console: Console) -> int:
        return await config.migrate(
            settings,
            console,
            tenant,
            to=to,
            conversation=conversation,
            process=process,
            dry_run=dry_run,
            as_json=json,
        )

    _run(work, _settings())


@scenario_app.command("run")
def scenario_run(
    names: Annotated[list[str] | None, typer.Argument(help="Beginnings of names, or patterns. Default: all.")] = None,
    folder: Annotated[Path | None, typer.Option("--config", help="A bundle's folder. Default: as configured.")] = None,
    llm: Annotated[Llm, typer.Option(help="real: needs CONVERSE_LLM_API_KEY, and costs money.")] = "emulated",
    json: Json = False,
) -> None:
    """Play a bundle's scenarios, say what differs, and which transitions and steps none of them takes."""
    _run(lambda settings, console: scenarios.run(settings, console, names or [], folder, llm, json), _settings())


@clock_app.command("advance")
def clock_advance(
    by: Annotated[str, typer.Argument(help="Such as 3d, 12h, 30m.")],
    json: Json = False,
) -> None:
    """Move business time forward: timers fire, hours and windows follow."""

    async def work(settings: Settings, console: Console) -> int:
        return await admin.advance_clock(settings, console, admin.duration(by), as_json=json)

    _run(work, _settings())


@dlq_app.command("list")
def dlq_list(json: Json = False) -> None:
    """List the facts that a consumer could not take in."""
    _run(lambda settings, console: admin.list_quarantine(settings, console, as_json=json), _settings())


@dlq_app.command("retry")
def dlq_retry(
    entry: Annotated[int, typer.Argument(min=1, max=BIGINT, help="The id that `dlq list` shows.")],
    json: Json = False,
) -> None:
    """Give a fact to its consumer again, and then what was parked behind it."""
    _run(lambda settings, console: admin.retry_quarantine(settings, console, entry, as_json=json), _settings())


@projections_app.command("rebuild")
def projections_rebuild(names: Names = None, json: Json = False) -> None:
    """Build the tables anew from the log while traffic flows, then swap them in."""
    _run(lambda settings, console: projections.rebuild(settings, console, names or [], json), _settings())


@projections_app.command("verify")
def projections_verify(names: Names = None, json: Json = False) -> None:
    """Prove that the tables say what the log says; exit code 1 when they do not."""
    _run(lambda settings, console: projections.verify(settings, console, names or [], json), _settings())


@chat_app.command("token")
def chat_token(
    contact: str,
    lasts: Annotated[str, typer.Option(help="Such as 1h, 30m.")] = "1h",
    tenant: str = TENANT,
) -> None:
    """Print a token that opens a contact's chat, as your web server would sign it."""
    _run(
        lambda settings, console: chat.token(settings, console, contact, admin.duration(lasts), tenant),
        _settings(),
    )


@contacts_app.command("import")
def contacts_import(file: Csv, map: Map = None, dry_run: DryRun = True, json: Json = False, url: Url = None) -> None:
    """Tell who your contacts are, from a CSV file. The same file again changes nothing."""

    async def work(settings: Settings, console: Console) -> int:
        sheet = imports.opened(file)
        wanted = imports.contacts(sheet, map or [])
        return await imports.run(settings, console, sheet, wanted, dry_run=dry_run, as_json=json, url=url)

    _run(work, _settings())


@followups_app.command("import")
def followups_import(
    file: Csv,
    process: Annotated[str, typer.Option(help="The process (state map) that they go through.")],
    rule: Annotated[str | None, typer.Option(help="Which rule's follow-ups; default: the process's first.")] = None,
    map: Map = None,
    dry_run: DryRun = True,
    json: Json = False,
    url: Url = None,
) -> None:
    """Begin follow-ups from a CSV file, each once: with the data that the process's rule names, under that rule's key."""

    async def work(settings: Settings, console: Console) -> int:
        sheet = imports.opened(file)
        wanted = imports.followups(sheet, map or [], process, rule)
        return await imports.run(settings, console, sheet, wanted, dry_run=dry_run, as_json=json, url=url)

    _run(work, _settings())


@keys_app.command("create")
def keys_create(
    name: str,
    scope: Annotated[list[str], typer.Option(help=f"{', '.join(get_args(auth.Scope))}; repeat for several.")],
    json: Json = False,
    tenant: str = TENANT,
) -> None:
    """Make an API key; it is shown once."""
    _run(lambda settings, console: admin.create_key(settings, console, tenant, name, scope, as_json=json), _settings())


@keys_app.command("list")
def keys_list(json: Json = False, tenant: str = TENANT) -> None:
    """List the API keys and what each opens, revoked ones too."""
    _run(lambda settings, console: admin.list_keys(settings, console, tenant, as_json=json), _settings())


@keys_app.command("revoke")
def keys_revoke(key: Annotated[str, typer.Argument(help="The id that `keys list` shows.")], json: Json = False) -> None:
    """Make an API key useless."""
    _run(lambda settings, console: admin.revoke_key(settings, console, key, as_json=json), _settings())


def main() -> None:
    """The console script."""
    log.configure("console", level="error")
    app()


if __name__ == "__main__":
    main()
