"""Whether a Postgres of one's own has room for the connections of the whole system."""

from dataclasses import dataclass

import asyncpg

CONNECTIONS = 140
"""What `converse up` may hold at once: seven services' pools, voice-service's, their listeners and leads, a command's own."""

# `reserved_connections` came with Postgres 16; -1 means that a role or database has no limit of its own.
_ROOM = """
SELECT current_setting('max_connections')::int AS configured,
    current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = session_user) AS of_role,
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS of_database,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS used
"""


@dataclass(frozen=True, slots=True)
class Room:
    """`configured` is max_connections, of which `reserved` are not for us; `used` are open at this moment, whoever's."""

    configured: int
    reserved: int
    of_role: int | None
    of_database: int | None
    used: int

    @property
    def allowed(self) -> int:
        """How many we may open when nobody else has any."""
        limits = (self.configured - self.reserved, self.of_role, self.of_database)
        return min(limit for limit in limits if limit is not None)

    @property
    def advice(self) -> str:
        """What to do where that is not enough; empty where it is."""
        wanted = []
        if self.configured - self.reserved < CONNECTIONS:
            enough = CONNECTIONS + self.reserved
            wanted.append(f"max_connections = {enough} or more (it is {self.configured}; Postgres restarts for it)")
        if self.of_role is not None and self.of_role < CONNECTIONS:
            wanted.append(f"ALTER ROLE … CONNECTION LIMIT {CONNECTIONS} (it is {self.of_role})")
        if self.of_database is not None and self.of_database < CONNECTIONS:
            wanted.append(f"ALTER DATABASE … CONNECTION LIMIT {CONNECTIONS} (it is {self.of_database})")
        if not wanted:
            return ""
        return f"set {'; '.join(wanted)}: under load the system opens up to {CONNECTIONS}, and without them answers 503"

    def __str__(self) -> str:
        return f"{self.allowed} connections for us, {self.used} in use"


async def room(connection: asyncpg.Connection) -> Room:
    """The connections that whoever is signed in may open."""
    return Room(**await connection.fetchrow(_ROOM))
