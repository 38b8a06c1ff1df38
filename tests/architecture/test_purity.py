import pytest

from tests.architecture.nouns import tree
from tools.guards.purity import impurities


@pytest.mark.parametrize(
    "code",
    [
        "import datetime as d\nd.datetime.now()",
        "from datetime import date\ndate.today()",
        "from uuid import uuid4 as fresh\nID = fresh",
        "import os.path",
        "from http import client",
        "from urllib.request import urlopen",
        "from pathlib import Path",
        "import pathlib\npathlib.Path('x')",
        "open('x')",
        "hash('x')",
        "async def decide(): ...",
    ],
)
def test_the_clock_chance_files_and_waiting_are_seen_in_pure_code(code, tmp_path):
    assert [found.path for found in impurities(tree(tmp_path, {"libs/domain/x.py": code}))]


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import datetime\ndef age(now: datetime) -> float: return (now - now).total_seconds()",
        "from uuid import UUID, uuid5",
        "from urllib.parse import quote",
        "from pathlib import PurePosixPath",
        "class Door:\n    def open(self) -> None: ...\nDoor().open()",
        "from datetime import datetime\ndatetime.fromisoformat('2026-02-16')",
    ],
)
def test_values_that_came_in_as_arguments_are_pure(code, tmp_path):
    assert impurities(tree(tmp_path, {"libs/domain/x.py": code})) == []


def test_a_handler_may_wait_and_a_decision_may_not(tmp_path):
    waits = "async def f(): ..."
    found = impurities(tree(tmp_path, {"services/rules/handle.py": waits, "services/rules/decide.py": waits}))
    assert [one.path for one in found] == ["services/rules/decide.py"]


def test_only_the_loader_of_the_bundle_reads_files(tmp_path):
    reads = "from pathlib import Path\nTEXT = open(Path('x'))"
    found = impurities(tree(tmp_path, {"libs/config/load.py": reads, "libs/config/check.py": reads}))
    assert {one.path for one in found} == {"libs/config/check.py"}
