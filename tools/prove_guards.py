"""`make prove-guards`: break each guard in a copy of the tree and see it fail; exits 1 where one did not."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.guards import GUARDS
from tools.guards.contracts import FOLDERS, lint_imports
from tools.guards.tree import files
from tools.mutations import MUTATIONS, Mutation


def unproved(root: Path) -> list[str]:
    """Guards, contracts and bans of the tree that no mutation breaks."""
    project, *others = (
        tomllib.loads((root / folder / "pyproject.toml").read_text(encoding="utf-8"))["tool"] for folder in FOLDERS
    )
    wanted = [
        *GUARDS,
        *(
            f"contract {contract['id']}"
            for each in (project, *others)
            for contract in each["importlinter"]["contracts"]
        ),
        *(f"ban {api}" for api in project["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]),
    ]
    proved = {mutation.guard for mutation in MUTATIONS}
    return [name for name in wanted if name not in proved]


def copied(root: Path, folder: Path) -> Path:
    """A copy of the project's files as a git repository with one commit, so that guards which ask git have their answer."""
    copy = folder / "tree"
    for path in files(root):
        target = copy / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for arguments in (["init", "--quiet"], ["add", "--all", "--force"], [*AUTHOR, "commit", "--quiet", "-m", "copy"]):
        subprocess.run(["git", *arguments], cwd=copy, check=True)
    return copy


AUTHOR = ("-c", "user.name=guards", "-c", "user.email=guards@localhost", "-c", "commit.gpgsign=false")


@contextmanager
def broken(copy: Path, mutation: Mutation) -> Iterator[None]:
    """The copy with the mutation in it; afterwards as it was."""
    path = copy / mutation.path
    before = path.read_bytes() if path.exists() else None
    new_folders = [folder for folder in path.parents if not folder.exists()]
    mutation.edit(path)
    try:
        yield
    finally:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        for folder in new_folders:
            shutil.rmtree(folder, ignore_errors=True)


def verdict(copy: Path, guard: str, path: str) -> tuple[int, str]:
    """A guard's exit code and words over the copy; bans are asked of one file, contracts one by one."""
    kind, _, name = guard.partition(" ")
    if kind == "contract":
        answer = lint_imports(copy, "voice-service" if name.startswith("voice-") else ".", "--contract", name)
        return answer.returncode, answer.stdout + answer.stderr
    command = [sys.executable, "-m", "tools.guards", guard]
    if kind == "ban":
        only = ["--no-cache", "--select", "TID251", "--output-format", "concise"]
        command = [sys.executable, "-m", "ruff", "check", *only, path]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    answer = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return answer.returncode, answer.stdout + answer.stderr


def tried(copy: Path, mutation: Mutation) -> tuple[int, str]:
    """What the mutation's guard says of the broken copy; exit code 2 where the mutation finds nothing to break."""
    try:
        with broken(copy, mutation):
            return verdict(copy, mutation.guard, mutation.path)
    except FileNotFoundError as missing:
        return 2, f"cannot be applied: {missing}"


def saw(code: int, words: str, mutation: Mutation) -> bool:
    """Whether the guard failed because of the mutation: by finding it, and not by breaking down itself."""
    named = mutation.guard.removeprefix("ban ") in words if mutation.guard.startswith("ban ") else True
    return code == 1 and mutation.seen in words and named and "Traceback" not in words


def main() -> int:
    """Print guard, mutation and whether the guard was seen to fail; 0 only if every one was and the plain copy passes."""
    root = Path.cwd()
    failures = [f"{name}: no mutation in tools/mutations.py breaks it" for name in unproved(root)]
    with tempfile.TemporaryDirectory(prefix="prove-guards-") as folder:
        copy = copied(root, Path(folder))
        for guard in GUARDS:
            code, words = verdict(copy, guard, "")
            if code:
                failures.append(f"{guard}: fails without any mutation\n{words}")
        print(
            f"{'the tree as it is':<32} {len(GUARDS)} guards asked: {'they fail, see below' if failures else 'they pass'}"
        )
        for mutation in MUTATIONS:
            code, words = tried(copy, mutation)
            seen = saw(code, words, mutation)
            print(
                f"{mutation.guard:<32} {mutation.change[:90]:<92} {'seen to fail' if seen else 'NOT SEEN'}", flush=True
            )
            if not seen:
                failures.append(f"{mutation.guard}: did not see {mutation.change} (exit code {code})\n{words[-2000:]}")
    for failure in failures:
        print(f"\n{failure}", file=sys.stderr)
    print(f"\n{len(MUTATIONS)} mutations of {len({one.guard for one in MUTATIONS})} guards, {len(failures)} failures")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
