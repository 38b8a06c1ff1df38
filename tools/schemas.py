"""`make schemas`: JSON Schema, AsyncAPI and missing samples from the vocabulary."""

from pathlib import Path

from tools.asyncapi import PATH, asyncapi
from tools.json_schemas import FOLDER, json_schemas
from tools.samples import write_missing


def generated() -> dict[Path, str]:
    """The text of every generated file, by its path from the root."""
    return {**json_schemas(), PATH: asyncapi()}


def write(root: Path) -> list[Path]:
    """Bring the generated files up to date and write missing samples; returns what changed."""
    changed = []
    wanted = generated()
    for path, text in wanted.items():
        target = root / path
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            changed.append(path)
    for stale in sorted((root / FOLDER).glob("*.schema.json")):
        if stale.relative_to(root) not in wanted:
            stale.unlink()
            changed.append(stale.relative_to(root))
    return changed + [path.relative_to(root) for path in write_missing(root)]


def main() -> None:
    """Write what is out of date below the current folder, and say what it was."""
    changed = write(Path.cwd())
    for path in changed:
        print(path.as_posix())
    print(f"{len(changed)} files changed")


if __name__ == "__main__":
    main()
