"""`python -m tools.guards [name …]`: run guards over the current folder; exits 1 where one finds something."""

import sys
from pathlib import Path

from tools.guards import GUARDS
from tools.guards.generated import NoHistory


def main(names: list[str]) -> int:
    """Print what the named guards (all without names) find, and say by the exit code whether they found anything."""
    found = []
    for name in names or GUARDS:
        try:
            found += GUARDS[name](Path.cwd())
        except NoHistory as nothing:
            print(f"{name} not asked: {nothing}", file=sys.stderr)
    for finding in found:
        print(finding)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
