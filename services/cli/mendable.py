"""What a user can mend, told in a sentence: what is wrong, where, and what would be right. The rest is a traceback."""

from urllib.parse import urlsplit

import asyncpg

from libs.kit.beginning import PortBusy
from libs.kit.crypto import KeyUnusable
from libs.kit.embedded import EmbeddedServerError
from libs.kit.postgres import is_away
from libs.kit.tenants import UnknownTenant
from services.cli.settings import Settings, UserError

NAME = "CONVERSE_DATABASE_URL"
TOLD = (UserError, EmbeddedServerError, KeyUnusable, PortBusy, UnknownTenant)
REFUSED = (
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InsufficientPrivilegeError,
)
NOT_OURS = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.UndefinedColumnError)


def told(error: Exception, settings: Settings) -> str | None:
    """The sentence; None for what is a mistake of ours."""
    if isinstance(error, TOLD):
        return str(error)
    if isinstance(error, ValueError) and not _is_address(settings.database_url):
        return f"{NAME} is no address: write postgresql://user:password@host:5432/database"
    if isinstance(error, REFUSED):
        return f"PostgreSQL{_at(settings)} refuses us: {error}; is {NAME} right?"
    if isinstance(error, NOT_OURS):
        return (
            f"the database{_at(settings)} is not of this release: `converse up` makes or upgrades its tables ({error})"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if is_away(error):
        return f"PostgreSQL{_at(settings)} cannot be reached: {_reason(error)}; is it running, and is {NAME} right?"
    return None


def _at(settings: Settings) -> str:
    """Where it is, without the password."""
    if settings.database_url is None:
        return f" of {settings.data}"
    parts = urlsplit(settings.database_url)
    return f" at {parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _is_address(url: str | None) -> bool:
    """None is: that of the embedded server."""
    try:
        return url is None or (urlsplit(url).scheme in {"postgres", "postgresql"} and urlsplit(url).port != 0)
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
