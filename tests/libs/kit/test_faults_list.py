"""docs/faults.md: every fault in the list has a test that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = re.compile(r"`([\w/-]*\.py)?(?:::(\w+))?`")


def test_every_fault_names_tests_that_exist():
    named = 0
    for line in (ROOT / "docs" / "faults.md").read_text().splitlines():
        if not line.startswith("- "):
            continue
        path = ""
        for given, name in REFERENCE.findall(line):
            path = given or path
            home = ROOT if path.startswith("voice-service/") else ROOT / "tests"
            text = (home / path).read_text()
            assert not name or f"def {name}(" in text, f"{path} has no {name}"
            named += 1
        assert path, f"no test proves: {line}"
    assert named > 60
