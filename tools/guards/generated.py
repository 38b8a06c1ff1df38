"""The vocabulary's files: what is generated is up to date, every type has a sample, and samples are append-only.

These guards import the vocabulary, so they run in a process whose current folder is the tree in question.
"""

import json
import subprocess
from pathlib import Path

import msgspec

from events import CATEGORIES
from events.base import Event, Retired, current, tag_of
from tools.guards.tree import Finding, inside
from tools.json_schemas import FOLDER as SCHEMAS
from tools.samples import FOLDER as SAMPLES
from tools.schemas import generated


def stale_schemas(root: Path) -> list[Finding]:
    """Generated files that differ from what the vocabulary gives today, and those that nothing gives any more."""
    found = []
    wanted = generated()
    for path, text in wanted.items():
        target = root / path
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            found.append(Finding(path.as_posix(), 0, "is not what the vocabulary gives: run `make schemas`"))
    for path in sorted((root / SCHEMAS).glob("*.schema.json")):
        if path.relative_to(root) not in wanted:
            found.append(Finding(inside(root, path), 0, "belongs to no current fact: run `make schemas`"))
    return found


def unsampled_types(root: Path) -> list[Finding]:
    """Types of the vocabulary, retired ones included, without a sample."""
    sampled = {_tag(path) for path in sample_files(root)}
    return [
        Finding(f"{SAMPLES.as_posix()}/{tag}.json", 0, "is missing: run `make schemas`")
        for category in CATEGORIES
        for tag in category.types
        if tag not in sampled
    ]


def unreadable_samples(root: Path) -> list[Finding]:
    """Samples that today's vocabulary does not read, reads as another type, or reads with something left over."""
    found = []
    for path in sample_files(root):
        try:
            read_sample(path)
        except (msgspec.MsgspecError, LookupError, ValueError, TypeError) as wrong:
            found.append(Finding(inside(root, path), 0, f"cannot be read: {wrong}"))
    return found


def sample_files(root: Path) -> list[Path]:
    """Every sample, by name."""
    return sorted((root / SAMPLES).glob("*.json"))


def read_sample(path: Path) -> Event:
    """A sample as the log's reader gives it: decoded by its family's types and upcast. Raises what makes it unreadable."""
    raw = path.read_bytes()
    content = json.loads(raw)
    tag = _tag(path)
    kinds = {tag: kind for category in CATEGORIES for tag, kind in category.types.items()}
    if tag not in kinds:
        raise LookupError(f"no type {tag!r} is known; a type that samples exist of stays, as a retired one")
    event = msgspec.json.decode(raw, type=kinds[tag])
    known = {field.encode_name for field in msgspec.structs.fields(kinds[tag])} | {"type"}
    if unknown := sorted(set(content) - known):
        raise ValueError(f"{', '.join(unknown)}: no field of {tag}, so a reader would lose it")
    today = current(event)
    if isinstance(today, Retired) or tag_of(type(today)) not in {
        tag for category in CATEGORIES for tag in category.current
    }:
        raise ValueError(f"{tag} does not become a current fact")
    return today


class NoHistory(Exception):
    """There is no git history to compare with."""


def changed_samples(root: Path) -> list[Finding]:
    """Samples that git's HEAD or the last release holds and that were changed or deleted since. Raises NoHistory without git."""
    if not (root / ".git").exists() or _git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise NoHistory(f"{root} has no git history with a commit: nothing to compare the samples with")
    found = set()
    release = _git(root, "describe", "--tags", "--abbrev=0", "--match", "v*")
    for base in ("HEAD", *([release.strip()] if release else [])):
        changes = (
            _git(root, "diff", "--name-status", "--no-renames", "--diff-filter=MDT", base, "--", SAMPLES.as_posix())
            or ""
        )
        for line in changes.splitlines():
            how, name = line.split("\t")
            verb = "was deleted" if how == "D" else "was changed"
            found.add(
                Finding(name, 0, f"{verb} since {base}: samples are append-only; a changed fact gets a new version")
            )
    return sorted(found)


def _tag(path: Path) -> str:
    """The type that a sample is of: the first three parts of its name, so that a type may have several samples."""
    return ".".join(path.name.split(".")[:3])


def _git(root: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return None if answer.returncode else answer.stdout
