"""`python -m services.sandbox`: the emulators on a port of their own, without a database."""

import argparse
import asyncio

import structlog

from libs.kit.clock import Clock
from libs.kit.serve import serve
from services.sandbox.app import base_urls, build
from services.sandbox.settings import from_environment

log = structlog.get_logger(__name__)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    arguments = argparse.ArgumentParser(prog="python -m services.sandbox", description=__doc__)
    arguments.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    arguments.add_argument("--port", type=int, default=8900, help="the port; 0 takes a free one (default: %(default)s)")
    given = arguments.parse_args()

    def tell(port: int) -> None:
        log.info("the sandbox is ready", **base_urls(f"http://{given.host}:{port}"))

    app = build(from_environment(), now=Clock().now)
    asyncio.run(serve([app], given.host, given.port, tell))


if __name__ == "__main__":
    main()
