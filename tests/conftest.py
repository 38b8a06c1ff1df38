"""Where the servers are, and how hard to search."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["libs.testkit.servers", "libs.testkit.garbage"]

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: else the last of them would run alone, beside workers that have nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
