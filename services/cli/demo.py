"""The demo: the main job from an ERP event to a settled follow-up, told on the terminal as it happens."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from events import conversation
from events.base import Recorded
from libs.kit import http
from libs.kit.serve import serve
from services.cli import demo_voice, trace, voice
from services.cli.narrate import line
from services.cli.settings import TENANT, Settings
from services.cli.stories import IST, START, Step, Story, Wanted, story_of
from services.cli.stories_voice import by_phone
from services.cli.system import System, surroundings, system

PATIENCE_S = 20.0
"""How long each step may take until it is called missing."""
CALL_PATIENCE_S = 60.0
"""The same on the phone, where people speak and listen in real time."""


class NotSeen(Exception):
    """A step of the demo did not happen in time."""


class Narrator:
    """Reads the log as it grows, tells each fact, and ticks off the steps in their order."""

    def __init__(self, running: System, console: Console, patience: float) -> None:
        self._system = running
        self._patience = patience
        self._console = console
        self._pos = 0
        self._grown = asyncio.Event()
        self._backlog: list[Any] = []
        self.conversation: str | None = None
        running.store.listener.on("log_0", lambda _: self._grown.set())

    async def see(self, steps: tuple[Step, ...]) -> None:
        """Return once every step was seen, each after the one before where the log has them so. Raises NotSeen."""
        for step in steps:
            try:
                async with asyncio.timeout(self._patience):
                    while not self._seen(step):
                        await self._read()
            except TimeoutError:
                raise NotSeen(step.title) from None
            self._console.print(Text.assemble(("  ✔ ", "bold green"), (step.title, "bold")))

    def _seen(self, step: Step) -> bool:
        for place, event in enumerate(self._backlog):
            if step.sees(event):
                del self._backlog[place]
                return True
        return False

    async def _read(self) -> None:
        self._grown.clear()
        facts = await self._system.store.read_log(0, self._pos, 500)
        if not facts:
            await self._grown.wait()
            return
        for fact in facts:
            self._pos = fact.pos
            self._backlog.append(fact.event)
            if isinstance(fact.event, conversation.ProcessBound) and self.conversation is None:
                self.conversation = fact.subject_id
            self._tell(fact)

    def _tell(self, fact: Recorded[Any]) -> None:
        at = fact.envelope.occurred_at.astimezone(IST)
        name = fact.type.rpartition(".")[0]
        colour = trace.FAMILY_COLOURS.get(fact.family, "white")
        self._console.print(
            Text.assemble((f"  {at:%d %b %H:%M:%S} ", "dim"), (f"{name:<34}", colour), line(fact)), soft_wrap=False
        )


async def run(settings: Settings, console: Console, patience: float = PATIENCE_S, channel: Wanted = "whatsapp") -> int:
    """Run the demo on a channel; 0 only when every step was seen, each within `patience` seconds."""
    calls = channel == "voice"
    if calls and not voice.installed():
        console.print("[bold red]voice-service is not installed:[/] `make demo-voice` installs it, and runs this demo")
        return 1
    story = by_phone() if calls else story_of(channel)
    settings = replace(settings, data=settings.data / "demo")
    if settings.data.exists():
        shutil.rmtree(settings.data)
    console.rule("[bold]ConverseAgent: from an ERP event to a settled follow-up")
    console.print(
        "Everything runs here: PostgreSQL, NATS and emulators of the providers, Anthropic and an ERP. No account is used."
    )
    console.print(f"  {story.title}.")
    async with (
        surroundings(settings, lambda what: console.print(f"  … {what}", style="dim")) as where,
        system(settings, where, start_at=START, calls=calls) as running,
    ):
        return await _tell_all(settings, running, console, patience, story)


async def _tell_all(settings: Settings, running: System, console: Console, patience: float, story: Story) -> int:
    ready = asyncio.Event()
    serving = asyncio.create_task(
        serve(running.apps, settings.host, settings.port, on_ready=lambda port: ready.set()), name="serve"
    )
    await asyncio.wait([serving, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
        return 1
    narrator = Narrator(running, console, patience)
    try:
        async with http.client() as client:
            await _told(running, console, narrator, client, story)
            await _ending(settings, running, console, narrator, client, story)
    except NotSeen as missing:
        console.print(f"\n[bold red]✘ not seen: {missing}")
        return 1
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    console.print("\n[bold green]Every step was seen.[/]")
    return 0


async def _told(running: System, console: Console, narrator: Narrator, client: httpx.AsyncClient, story: Story) -> None:
    await _outside(running, client, story.prepared)
    await narrator.see(story.before)
    console.rule(f"[bold]16 February 2026, 10:30 IST: the ERP says that {story.invoice} is overdue")
    answer = await client.post(f"{running.origin}/api/v1/events", json=story.event)
    console.print(f"  POST /api/v1/events → {answer.status_code} {answer.text}")
    await narrator.see(story.morning)
    console.rule(f"[bold]{story.later_title}")
    await _outside(running, client, (("POST", "erp/pay", {"invoice_id": story.invoice}),))
    moved = await running.clock.advance(story.later - running.clock.now())
    console.print(f"  the business clock says {moved.astimezone(IST):%d %B %Y, %H:%M} IST")
    await _outside(running, client, story.payday)
    await narrator.see(story.afterwards)


def _one_conversation(console: Console, facts: Sequence[Recorded[Any]], story: Story) -> None:
    """One conversation with one state map, and something said on every channel of it. Raises NotSeen."""
    talk = [fact.event for fact in facts if fact.family == "conversation"]
    said = {each.channel for each in talk if isinstance(each, conversation.ContactSaid | conversation.MessageRequested)}
    maps = [each for each in talk if isinstance(each, conversation.ProcessBound)]
    if missing := set(story.wanders_over) - said:
        raise NotSeen(f"one conversation over {', '.join(story.wanders_over)} (without {', '.join(sorted(missing))})")
    if len(maps) != 1:
        raise NotSeen(f"one state map (there are {len(maps)})")
    title = f"one conversation and one state map over {', '.join(story.wanders_over)}"
    console.print(Text.assemble(("  ✔ ", "bold green"), (title, "bold")))


async def _outside(running: System, client: httpx.AsyncClient, told: Sequence[tuple[str, str, Any]]) -> None:
    """Tell the emulators something. Raises NotSeen where they do not agree."""
    for method, path, body in told:
        answer = await client.request(method, f"{running.origin}/_sandbox/{path}", json=body)
        if not answer.is_success:
            raise NotSeen(f"the sandbox agreed to {path} ({answer.status_code} {answer.text})")


async def _ending(
    settings: Settings, running: System, console: Console, narrator: Narrator, client: httpx.AsyncClient, story: Story
) -> None:
    writes = (await client.get(f"{running.origin}/_sandbox/erp/writes")).json()
    told = [each for each in writes if each["path"].endswith("/outcome")]
    if len(told) != 1:
        raise NotSeen(f"the ERP was told once (it was told {len(told)} times)")
    console.print(Text.assemble(("  ✔ ", "bold green"), ("the ERP was told once", "bold")))
    conversation_id = narrator.conversation or ""
    if story.by_phone:
        await demo_voice.show(running, console, client, conversation_id, settings.data)
    if story.wanders_over:
        _one_conversation(console, await trace.facts_of(running.store, TENANT, conversation_id), story)
    console.rule("[bold]the conversation as a causal trace")
    facts = await trace.facts_of(running.store, TENANT, conversation_id)
    console.print(trace.tree_of(facts, f"conversation {conversation_id}"))
    console.rule("[bold]to try next")
    console.print("  make up         the same system, empty, kept running: README.md has the requests to try")
    console.print(
        "  make demo-voice the same by phone" if not story.by_phone else "  make demo       the same by WhatsApp"
    )
