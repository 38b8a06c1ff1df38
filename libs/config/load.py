"""Reads the folder of a bundle and its scenarios: the only place of libs.config that touches files."""

from collections.abc import Mapping
from pathlib import Path

from libs.config.bundle import Bundle
from libs.config.check_scenario import check_scenario
from libs.config.compile import Loaded, compile_bundle, read_file
from libs.config.findings import Finding, Findings
from libs.config.parse_scenario import parse_scenario
from libs.config.scenario import Scenario

FOLDERS = ("flows", "templates")
SCENARIOS = "scenarios"


def load_bundle(folder: Path, env: Mapping[str, str], profile: str) -> Loaded:
    """The bundle in `folder`, checked against `env` for `profile` (development or production). Never raises.

    Read are `*.yaml` in the folder, in `flows/` and in `templates/`; other YAML files are a warning. `scenarios/` is no
    part of the bundle: it tests it.
    """
    if not folder.is_dir():
        return Loaded(None, (_finding("error", ".", f"there is no folder {folder}", "name the folder of a bundle"),))
    texts: dict[str, str] = {}
    unread: list[Finding] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.suffix not in (".yaml", ".yml") or name.startswith((".", f"{SCENARIOS}/")):
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


def load_scenarios(folder: Path, bundle: Bundle) -> tuple[tuple[Scenario, ...], tuple[Finding, ...]]:
    """The scenarios of a bundle's folder, `scenarios/**/*.yaml`, checked against the bundle. Never raises.

    Those in which an error was found are left out.
    """
    found = Findings()
    scenarios: list[Scenario] = []
    for path in sorted((folder / SCENARIOS).rglob("*.yaml")):
        file = path.relative_to(folder).as_posix()
        try:
            root = read_file(file, path.read_text(encoding="utf-8-sig"), found)
        except (OSError, UnicodeDecodeError) as error:
            found.add(_finding("error", file, f"this file cannot be read: {error}", "save it as UTF-8"))
            continue
        if root is None:
            continue
        name = file.removeprefix(f"{SCENARIOS}/").removesuffix(".yaml")
        scenario = parse_scenario(name, root, found)
        if not found.errors_in(file):
            check_scenario(scenario, root, bundle, found)
        if not found.errors_in(file):
            scenarios.append(scenario)
    return tuple(scenarios), found.sorted()


def _finding(severity: str, file: str, message: str, hint: str) -> Finding:
    return Finding(
        severity="error" if severity == "error" else "warning", file=file, line=1, path="", message=message, hint=hint
    )
