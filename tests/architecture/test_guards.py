from pathlib import Path

import pytest

from tools.guards import GUARDS
from tools.guards.generated import NoHistory
from tools.prove_guards import unproved

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_the_tree_keeps_its_promise(name):
    try:
        found = GUARDS[name](ROOT)
    except NoHistory as nothing:
        pytest.skip(str(nothing))
    assert not found, "\n".join(map(str, found))


def test_every_guard_contract_and_ban_has_a_mutation_that_breaks_it():
    assert unproved(ROOT) == []
