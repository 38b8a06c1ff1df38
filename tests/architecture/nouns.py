"""Small trees to show the guards."""

from collections.abc import Mapping
from pathlib import Path


def tree(root: Path, texts: Mapping[str, str]) -> Path:
    """A tree of files, by their path from the root."""
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
