"""The shipped bundle, whose ERP is the sandbox."""

from pathlib import Path

from libs.config.bundle import Bundle
from libs.config.load import load_bundle


def _loaded() -> Bundle:
    loaded = load_bundle(Path(__file__).resolve().parents[3] / "infra" / "config", {}, "development")
    assert loaded.bundle is not None, loaded.findings
    return loaded.bundle


SHIPPED = _loaded()
