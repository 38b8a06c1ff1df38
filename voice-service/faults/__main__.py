"""`python -m faults`, in voice-service: prints what contacts noticed of faults, and exits 1 if a promise was not kept."""

import argparse
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1] / "tests"


def main() -> int:
    """Run as asked, in the world of the tests: real servers, the service, and the emulators as a process of their own."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--calls", type=int, default=500, help="how many calls (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=22, help="how many of them at a time (default: %(default)s)")
    parser.add_argument("--only", default="", help="only faults whose name contains this")
    given = parser.parse_args()
    options = [f"--calls={given.calls}", f"--at-once={given.at_once}", f"--only={given.only}"]
    return int(pytest.main([str(TESTS / "test_faults.py"), "-q", "-s", "--no-header", "--timeout=3600", *options]))


if __name__ == "__main__":
    sys.exit(main())
