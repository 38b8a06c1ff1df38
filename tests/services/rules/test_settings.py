"""What rules reads from its environment."""

import pytest

from services.rules.settings import SettingMissing, from_environment

NEEDED = {"CONVERSE_DATABASE_URL": "postgresql://db", "CONVERSE_NATS_URL": "nats://bus"}


def test_the_addresses_are_enough():
    process = from_environment(NEEDED)
    assert (process.database_url, process.nats_url, process.settings.shard) == ("postgresql://db", "nats://bus", 0)


def test_a_shard_and_a_port_may_be_named():
    process = from_environment({**NEEDED, "CONVERSE_SHARD": "3", "CONVERSE_PORT": "9000"})
    assert (process.settings.shard, process.port) == (3, 9000)


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_missing_is_named(missing: str):
    with pytest.raises(SettingMissing, match=missing):
        from_environment({name: value for name, value in NEEDED.items() if name != missing})


def test_secrets_are_not_shown():
    assert "postgresql" not in repr(from_environment({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))
    assert "c2VjcmV0" not in repr(from_environment({**NEEDED, "CONVERSE_MASTER_KEY": "c2VjcmV0"}))
