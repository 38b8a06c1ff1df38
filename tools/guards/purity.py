"""Domain, channel codecs, configuration and every decide.py are pure: the same arguments give the same answer, for ever."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.guards.tree import Finding, dotted, files, imports, inside, parsed

PURE = ("libs/domain", "libs/channels", "libs/config")
DECISIONS = ("services/*/decide.py", "voice-service/voice_service/decide.py")

READS_FILES = "libs/config/load.py"
"""The one pure module that may read files: it reads the bundle's folder."""

IMPURE_MODULES = frozenset(
    {
        *("anthropic", "asyncio", "asyncpg", "concurrent", "getpass", "glob", "http.client", "httpx", "httpx2"),
        *(
            "importlib.resources",
            "litestar",
            "logging",
            "multiprocessing",
            "nats",
            "opentelemetry",
            "os",
            "pathlib.Path",
        ),
        *(
            "prometheus_client",
            "random",
            "secrets",
            "select",
            "shutil",
            "signal",
            "smtplib",
            "socket",
            "ssl",
            "stamina",
        ),
        *(
            "structlog",
            "subprocess",
            "tempfile",
            "threading",
            "time",
            "urllib.request",
            "uvicorn",
            "uvloop",
            "websockets",
        ),
    }
)

IMPURE_NAMES = frozenset(
    {
        *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
        *("email.utils.formatdate", "email.utils.localtime", "email.utils.make_msgid"),
        *("pathlib.Path", "uuid.getnode", "uuid.uuid1", "uuid.uuid4"),
    }
)

IMPURE_BUILTINS = frozenset({"__import__", "breakpoint", "eval", "exec", "hash", "input", "open", "print"})
"""`hash` is here because that of a string differs from process to process."""


def impurities(root: Path) -> list[Finding]:
    """Every place in pure code that reaches for the clock, chance, the environment, a log, a file or an await."""
    found: list[Finding] = []
    for path in files(root, "*.py"):
        name = inside(root, path)
        if name.startswith(tuple(f"{folder}/" for folder in PURE)) or any(map(Path(name).match, DECISIONS)):
            found += [Finding(name, line, words) for line, words in _impure(parsed(path), may_read=name == READS_FILES)]
    return found


def _impure(module: ast.Module, *, may_read: bool) -> Iterator[tuple[int, str]]:
    names = imports(module)
    for node in ast.walk(module):
        match node:
            case ast.Import():
                for alias in node.names:
                    if _within(alias.name, IMPURE_MODULES):
                        yield node.lineno, f"imports {alias.name}, which pure code may not"
            case ast.ImportFrom(module=str(source)):
                for alias in node.names:
                    full = f"{source}.{alias.name}"
                    if _within(full, IMPURE_MODULES) and not (may_read and full == "pathlib.Path"):
                        yield node.lineno, f"imports {full}, which pure code may not"
            case ast.Attribute() | ast.Name():
                full = dotted(node, names) or ""
                if full in IMPURE_NAMES and not (may_read and full == "pathlib.Path"):
                    yield node.lineno, f"uses {full}: take the value as an argument"
            case ast.Call(func=ast.Name(id=called)) if called in IMPURE_BUILTINS and not (
                may_read and called == "open"
            ):
                yield node.lineno, f"calls {called}(), which pure code may not"
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield node.lineno, "is asynchronous: pure code never waits"


def _within(name: str, modules: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in modules for end in range(1, len(parts) + 1))
