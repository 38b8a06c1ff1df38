"""`make new-event NAME=family.fact`: begin a fact with its struct, its sample and its schema."""

import ast
import re
import subprocess
import sys
from pathlib import Path

NAME = re.compile(r"(?P<family>[a-z]+)\.(?P<fact>[a-z]+(?:_[a-z]+)*)(?:\.v(?P<version>[1-9]\d*))?")

STRUCT = '''class {cls}(Event, tag="{tag}"):
    """Say here what has happened, in the words of the business."""

    stream: str


'''


class Refused(Exception):
    """The fact cannot be begun; the message says what would be right."""


def begin(root: Path, name: str) -> str:
    """Write the struct of `family.fact` (or `family.fact.vN`) into its family's file; returns its tag."""
    match = NAME.fullmatch(name)
    if match is None:
        raise Refused(
            f"{name!r} is no name of a fact: write family.fact in small letters, such as conversation.reopened"
        )
    family, fact, version = match["family"], match["fact"], match["version"] or "1"
    tag = f"{family}.{fact}.v{version}"
    path = root / "events" / f"{family}.py"
    if not path.exists():
        present = ", ".join(
            sorted(one.stem for one in path.parent.glob("[a-z]*.py") if one.stem not in {"base", "values"})
        )
        raise Refused(
            f"there is no family {family!r}; there are {present}. A new family begins with its writer in docs and guards"
        )
    path.write_text(_with_struct(path.read_text(encoding="utf-8"), tag, _class(fact)), encoding="utf-8")
    return tag


def _with_struct(source: str, tag: str, cls: str) -> str:
    """The family's file with the struct before its Category, and the class among its current facts."""
    module = ast.parse(source)
    if any(
        isinstance(node, ast.ClassDef) and (node.name == cls or f'"{tag}"' in ast.unparse(node)) for node in module.body
    ):
        words = f"{tag} or a class {cls} exists already; for a new version rename the old class to {cls}V1(Retired), give it"
        raise Refused(
            f"{words} upcast(), move it to `retired=(…)` of the Category, then make new-event NAME={_next(tag)}"
        )
    for node in module.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func) == "Category"
        ):
            current = next(keyword.value for keyword in node.value.keywords if keyword.arg == "current")
            if not isinstance(current, ast.Tuple) or not current.elts:
                break
            lines = source.splitlines(keepends=True)
            last = current.elts[-1]
            row, column = (last.end_lineno or 1) - 1, last.end_col_offset or 0
            text = lines[row].encode()
            lines[row] = (text[:column] + f", {cls}".encode() + text[column:]).decode()
            lines.insert(node.lineno - 1, STRUCT.format(cls=cls, tag=tag))
            return "".join(lines)
    raise Refused("the family's file has no `Category(…, current=(…))` to put the fact into")


def _class(fact: str) -> str:
    return "".join(word.capitalize() for word in fact.split("_"))


def _next(tag: str) -> str:
    stem, _, version = tag.rpartition(".v")
    return f"{stem}.v{int(version) + 1}"


def main(names: list[str]) -> int:
    """Begin the named fact below the current folder, then its sample and schema by the vocabulary as it is now."""
    if len(names) != 1:
        print("Say which: python -m tools.new_event family.fact", file=sys.stderr)
        return 2
    try:
        tag = begin(Path.cwd(), names[0])
    except Refused as no:
        print(f"Refused: {no}.", file=sys.stderr)
        return 1
    family = tag.partition(".")[0]
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", f"events/{family}.py"], check=True)
    subprocess.run([sys.executable, "-m", "tools.schemas"], check=True)
    print(f"Begun: {tag} in events/{family}.py. Name its fields there, delete its sample and run `make schemas` again;")
    print("then `make check` lists the folds that must say what it means.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
