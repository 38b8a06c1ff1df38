"""Where the servers are, how hard to search, and what is no garbage."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["libs.testkit.servers"]

settings.register_profile(
    "default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("default")


@pytest.fixture(scope="session")
def configured_postgres_url() -> str | None:
    """CONVERSE_TEST_DATABASE_URL: a superuser's address."""
    return os.environ.get("CONVERSE_TEST_DATABASE_URL") or None


@pytest.fixture(scope="session")
def configured_nats_url() -> str | None:
    """CONVERSE_TEST_NATS_URL: a server whose streams may be deleted."""
    return os.environ.get("CONVERSE_TEST_NATS_URL") or None


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported and collected lives as long as the process: no search for garbage looks at its 400 MB again."""
    gc.collect()
    gc.freeze()
