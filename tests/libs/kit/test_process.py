"""What every service in a process of its own reads from its environment."""

import pytest

from libs.kit.process import SettingMissing, read

NEEDED = {"CONVERSE_DATABASE_URL": "postgresql://db", "CONVERSE_NATS_URL": "nats://bus"}


def test_the_addresses_are_enough():
    process = read(NEEDED)
    assert (process.database_url, process.nats_url, process.port) == ("postgresql://db", "nats://bus", 8000)


def test_a_port_may_be_named():
    assert read({**NEEDED, "CONVERSE_PORT": "9000"}).port == 9000


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_missing_is_named(missing: str):
    with pytest.raises(SettingMissing, match=missing):
        read({name: value for name, value in NEEDED.items() if name != missing})


def test_secrets_are_not_shown():
    assert "postgresql" not in repr(read({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))
    assert "c2VjcmV0" not in repr(read({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))
