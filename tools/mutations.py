"""One deliberate breach, or several, of each guard: what `make prove-guards` applies to a copy of the tree."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

Edit = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A breach: `guard` must see it and name `seen` when `edit` has changed the file at `path`."""

    guard: str
    change: str
    path: str
    edit: Edit
    seen: str


def _add(text: str, path: Path) -> None:
    """Put lines at the end of a file, which is made with its packages where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{old}\n{text}\n", encoding="utf-8")


def _drop(path: Path) -> None:
    path.unlink()


def _without(text: str, path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if text not in line), encoding="utf-8")


def _line(guard: str, path: str, text: str, *, seen: str | None = None) -> Mutation:
    first = text.splitlines()[0]
    return Mutation(guard, f"{path} += {first}", path, partial(_add, text), path if seen is None else seen)


def _import(contract: str, path: str, imported: str) -> Mutation:
    """An import that the contract forbids; import-linter names the importing module."""
    module = path.removesuffix(".py").removesuffix("/__init__").removeprefix("voice-service/").replace("/", ".")
    return _line(f"contract {contract}", path, f"import {imported}", seen=module)


def _ban(api: str, use: str) -> Mutation:
    return _line(f"ban {api}", "libs/domain/breach.py", use, seen="libs/domain/breach.py")


CONTRACTS = (
    _import("top", "events/breach.py", "libs.domain"),
    _import("top", "libs/domain/breach.py", "projections"),
    _import("top", "projections/breach.py", "services.rules"),
    _import("top", "services/rules/breach.py", "tests"),
    _import("top", "libs/kit/breach.py", "tools"),
    _import("services", "services/rules/breach.py", "services.ingest"),
    _import("services", "services/gateways/breach.py", "services.cli"),
    _line(
        "contract services",
        "services/strangers/__init__.py",
        '"""A service that no contract names."""',
        seen="strangers",
    ),
    _import("libs", "libs/domain/breach.py", "libs.config"),
    _import("libs", "libs/channels/breach.py", "libs.config"),
    _import("libs", "libs/kit/breach.py", "libs.llm"),
    _line("contract libs", "libs/utils/__init__.py", '"""A library that no contract names."""', seen="utils"),
    _import("kit", "libs/kit/breach.py", "libs.domain"),
    _import("llm", "libs/llm/breach.py", "libs.channels"),
    _import("testkit", "services/rules/breach.py", "libs.testkit"),
    _import("events", "events/breach.py", "asyncio"),
    _import("pure", "libs/domain/breach.py", "time"),
    _import("pure", "libs/channels/breach.py", "httpx"),
    _import("pure", "libs/config/breach.py", "libs.kit"),
    _import("decide", "services/orchestrator/decide.py", "random"),
    _import("inside", "services/rules/settings.py", "services.rules.decide"),
    _import("inside", "services/rules/decide.py", "services.rules.handle"),
    _import("inside", "services/rules/handle.py", "services.rules.app"),
    _import("inside", "services/ingest/http.py", "services.ingest.app"),
    _import("inside", "services/rules/app.py", "services.rules.__main__"),
    _import("voice-below", "voice-service/voice_service/breach.py", "services.gateways"),
    _import("voice-below", "voice-service/voice_service/breach.py", "libs.llm.claude"),
    _import("voice-above", "services/orchestrator/breach.py", "voice_service.calls"),
    _import("voice-decide", "voice-service/voice_service/decide.py", "libs.kit.clock"),
    _import("voice-inside", "voice-service/voice_service/handle.py", "voice_service.app"),
    _import("voice-inside", "voice-service/voice_service/decide.py", "voice_service.http"),
)

BANS = (
    _ban("aiohttp", "import aiohttp"),
    _ban("celery", "import celery"),
    _ban("datetime.datetime.now", "from datetime import UTC, datetime\nNOW = datetime.now(UTC)"),
    _ban("datetime.datetime.today", "from datetime import datetime\nNOW = datetime.today()"),
    _ban("datetime.datetime.utcnow", "from datetime import datetime\nNOW = datetime.utcnow()"),
    _ban("datetime.date.today", "from datetime import date\nTODAY = date.today()"),
    _ban("faststream", "import faststream"),
    _ban("os.environ", "import os\nHOME = os.environ['HOME']"),
    _ban("os.getenv", "import os\nHOME = os.getenv('HOME')"),
    _ban("pickle", "import pickle"),
    _ban("psycopg", "import psycopg"),
    _ban("pydantic", "import pydantic"),
    _ban("redis", "import redis"),
    _ban("requests", "import requests"),
    _ban("sqlalchemy", "import sqlalchemy"),
    _ban("time.sleep", "import time\ntime.sleep(1)"),
    _ban("time.time", "import time\nNOW = time.time()"),
    _ban("unittest.mock", "from unittest.mock import MagicMock"),
    _ban("uuid.uuid1", "import uuid\nID = uuid.uuid1()"),
    _ban("uuid.uuid4", "import uuid\nID = uuid.uuid4()"),
)

SAMPLE = "proto-schemas/samples/timer.fired.v1.json"
SCHEMA = "proto-schemas/json/timer.fired.v1.schema.json"

ARCHITECTURE = (
    _line("banned-apis", "services/rules/breach.py", "import redis"),
    _line("banned-apis", "voice-service/voice_service/breach.py", "import time\nNOW = time.time()"),
    _line("import-contracts", "events/breach.py", "import libs.domain", seen="events.breach"),
    _line("import-contracts", "voice-service/voice_service/breach.py", "import services.rules", seen="voice_service.breach"),
    Mutation("packages-resolve-here", "delete libs/__init__.py", "libs/__init__.py", _drop, "libs/__init__.py"),
    _line("purity", "libs/domain/breach.py", "from datetime import datetime as clock\nNOW = clock.now()"),
    _line("purity", "libs/domain/breach.py", "from dataclasses import field\nfrom uuid import uuid4\nID = field(default_factory=uuid4)"),
    _line("purity", "libs/channels/breach.py", "import logging"),
    _line("purity", "libs/config/breach.py", "from pathlib import Path\nTEXT = Path('rules.yaml').read_text()"),
    _line("purity", "libs/config/load.py", "from os import environ"),
    _line("purity", "services/orchestrator/decide.py", "TEXT = open('rules.yaml').read()"),
    _line("purity", "services/orchestrator/decide.py", "import logging"),
    _line("purity", "voice-service/voice_service/decide.py", "from datetime import datetime as clock\nNOW = clock.now()"),
    _line("purity", "services/rules/decide.py", "async def decide() -> None:\n    pass"),
    _line("service-files", "services/rules/helpers.py", '"""A name that no other service has."""'),
    Mutation("service-files", "delete services/rules/README.md", "services/rules/README.md", _drop, "services/rules/README.md"),
    _line("short-files", "libs/domain/breach.py", "\n".join(f"LINE_{number} = {number}" for number in range(401))),
    _line("no-machine-addresses", "README.md", "Look into " + "/".join(("", "root", "notes.txt"))),
    _line("no-machine-addresses", "infra/breach.yaml", "index: " + ".".join(("https://pypi", "org/simple"))),
    _line("lock-without-addresses", "requirements.lock", "--index" + "-url https://packages.example.com/simple"),
    Mutation("lock-complete", "requirements.lock without msgspec", "requirements.lock", partial(_without, "msgspec=="), "msgspec"),
    _line("one-statement-a-file", "infra/postgres/functions/breach.sql", "SELECT 1; SELECT 2;"),
    _line("one-writer-a-family", "services/console/breach.py", "from events import conversation\nconversation.GateOpened(scope='contact:c_1')"),
    _line("one-writer-a-family", "services/gateways/breach.py", "from events.turn import Failed as Broken\nBroken(conversation='c', reason='r')"),
    _line("one-writer-a-family", "libs/channels/breach.py", "from events.rules import Evaluated\nEvaluated(event_name='e', business_stream='b', matched=[])"),
    Mutation("schemas-up-to-date", f"delete {SCHEMA}", SCHEMA, _drop, SCHEMA),
    _line("schemas-up-to-date", "proto-schemas/asyncapi.yaml", "x-edited: by hand"),
    Mutation("every-type-sampled", f"delete {SAMPLE}", SAMPLE, _drop, SAMPLE),
    _line("samples-readable", "proto-schemas/samples/timer.fired.v1.breach.json", '{"type": "timer.fired.v1", "timer": 7}'),
    _line("samples-readable", "proto-schemas/samples/timer.forgotten.v1.json", '{"type": "timer.forgotten.v1"}'),
    Mutation("samples-append-only", f"delete {SAMPLE}", SAMPLE, _drop, SAMPLE),
    _line("samples-append-only", SAMPLE, " "),
)  # fmt: skip

MUTATIONS = (*CONTRACTS, *BANS, *ARCHITECTURE)
