import re
from pathlib import Path

import pytest

from tests.architecture.nouns import tree
from tools.guards.writers import WRITERS, foreign_facts

ARCHITECTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"

TURN = 'from events.base import Event\nclass Failed(Event, tag="turn.failed.v1"): ...'


@pytest.mark.parametrize(
    "code",
    [
        "from events.turn import Failed\nFailed()",
        "from events.turn import Failed as Broken\nBroken()",
        "from events import turn\nturn.Failed()",
        "import events.turn\nevents.turn.Failed()",
        "from events import Failed\nFailed()",
    ],
)
def test_a_service_that_constructs_anothers_fact_is_seen_however_it_names_it(code, tmp_path):
    vocabulary = {"events/turn.py": TURN, "events/__init__.py": "from events.turn import Failed"}
    found = foreign_facts(tree(tmp_path, {**vocabulary, "services/gateways/x.py": code}))
    assert [(one.path, one.line) for one in found] == [("services/gateways/x.py", 2)]


def test_the_writing_service_may_construct_its_facts_and_everybody_may_match_them(tmp_path):
    constructs = "from events.turn import Failed\nFailed()"
    matches = "from events.turn import Failed\ndef f(e):\n    match e:\n        case Failed(): ...\n    return isinstance(e, Failed)"
    texts = {"events/turn.py": TURN, "services/orchestrator/x.py": constructs, "services/gateways/x.py": matches}
    assert foreign_facts(tree(tmp_path, texts)) == []


def test_a_family_without_a_writer_is_seen(tmp_path):
    gossip = 'from events.base import Event\nclass Told(Event, tag="gossip.told.v1"): ...'
    assert "gossip" in foreign_facts(tree(tmp_path, {"events/gossip.py": gossip}))[0].words


def test_the_page_of_the_architecture_names_the_writer_of_each_family():
    rows = re.findall(r"^\| (`.+`) \| (.+) \|$", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {family: writers for families, writers in rows for family in re.findall(r"\w+", families)}
    assert told == {
        family: ", ".join(sorted(folder.rpartition("/")[2] for folder in writers))
        for family, writers in WRITERS.items()
    }
