import ast
from pathlib import Path

import pytest

from tools.new_event import Refused, begin

TIMER = '''"""Business time has come."""

from events.base import Category, Event


class Fired(Event, tag="timer.fired.v1"):
    """A timer is due."""

    timer: str


TIMER = Category("timer", current=(Fired,))
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "events").mkdir()
    (tmp_path / "events/timer.py").write_text(TIMER, encoding="utf-8")
    return tmp_path


def current(root: Path) -> list[str]:
    """The classes that the family's Category lists as current."""
    module = ast.parse((root / "events/timer.py").read_text(encoding="utf-8"))
    call = next(node.value for node in module.body if isinstance(node, ast.Assign))
    assert isinstance(call, ast.Call)
    listed = next(keyword.value for keyword in call.keywords if keyword.arg == "current")
    assert isinstance(listed, ast.Tuple)
    return [ast.unparse(name) for name in listed.elts]


def test_a_new_fact_has_its_struct_before_the_category_that_lists_it(root):
    assert begin(root, "timer.put_off") == "timer.put_off.v1"
    assert current(root) == ["Fired", "PutOff"]
    assert 'class PutOff(Event, tag="timer.put_off.v1"):' in (root / "events/timer.py").read_text(encoding="utf-8")


def test_several_facts_can_be_begun_one_after_the_other(root):
    begin(root, "timer.put_off")
    begin(root, "timer.dropped")
    assert current(root) == ["Fired", "PutOff", "Dropped"]


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("timer.fired", "make new-event NAME=timer.fired.v2"),
        ("Timer.Fired", "conversation.reopened"),
        ("gossip.told", "there are timer"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_what_would_be_right(name, right, root):
    with pytest.raises(Refused, match=right):
        begin(root, name)
    assert (root / "events/timer.py").read_text(encoding="utf-8") == TIMER
