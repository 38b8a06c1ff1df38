"""Reads the folder of a bundle: the only place of libs.config that touches files."""

from collections.abc import Mapping
from pathlib import Path

from libs.config.compile import Loaded, compile_bundle
from libs.config.findings import Finding

FOLDERS = ("flows", "templates")


def load_bundle(folder: Path, env: Mapping[str, str], profile: str) -> Loaded:
    """The bundle in `folder`, checked against `env` for `profile` (development or production). Never raises.

    Read are `*.yaml` in the folder, in `flows/` and in `templates/`; other YAML files are a warning.
    """
    if not folder.is_dir():
        return Loaded(None, (_finding("error", ".", f"there is no folder {folder}", "name the folder of a bundle"),))
    texts: dict[str, str] = {}
    unread: list[Finding] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.suffix not in (".yaml", ".yml") or name.startswith("."):
            continue
        above, _, _ = name.rpartition("/")
        if path.suffix == ".yml" or above not in ("", *FOLDERS):
            hint = f"name it {path.stem}.yaml, in the bundle's folder or one of {', '.join(FOLDERS)}"
            unread.append(_finding("warning", name, "this file is not read", hint))
            continue
        try:
            texts[name] = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            unread.append(_finding("error", name, f"this file cannot be read: {error}", "save it as UTF-8"))
    loaded = compile_bundle(texts, env, profile)
    refused = any(each.severity == "error" for each in unread)
    findings = tuple(sorted((*loaded.findings, *unread), key=lambda each: (each.file, each.line, each.path)))
    return Loaded(None if refused else loaded.bundle, findings, loaded.missing)


def _finding(severity: str, file: str, message: str, hint: str) -> Finding:
    return Finding(
        severity="error" if severity == "error" else "warning", file=file, line=1, path="", message=message, hint=hint
    )
