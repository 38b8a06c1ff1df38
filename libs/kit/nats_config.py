"""The NATS server's configuration: one user a service with least rights, rendered from infra/nats."""

import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "nats"

_CONSUMER_RIGHTS = (
    "$JS.API.CONSUMER.MSG.NEXT.*.{consumer}",
    "$JS.API.CONSUMER.RESET.*.{consumer}",
    "ask.consumer.*.{consumer}",
)


@dataclass(frozen=True, slots=True)
class User:
    """What one service may do at NATS. `answers` lets it reply to requests."""

    name: str
    consumers: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    answers: bool = False

    @property
    def may_publish(self) -> list[str]:
        """Every subject that it may send to."""
        own = [right.format(consumer=consumer) for consumer in self.consumers for right in _CONSUMER_RIGHTS]
        return [*self.publish, *own]

    @property
    def may_subscribe(self) -> list[str]:
        """Every subject that it may hear."""
        heads = ["sig.head.*"] if self.consumers else []
        return [f"_INBOX_{self.name}.>", *heads, *self.subscribe]


def users(path: Path = FOLDER / "users.toml") -> list[User]:
    """The shipped users."""
    return [
        User(
            name=name,
            consumers=tuple(entry.get("consumers", ())),
            publish=tuple(entry.get("publish", ())),
            subscribe=tuple(entry.get("subscribe", ())),
            answers=bool(entry.get("answers", False)),
        )
        for name, entry in tomllib.loads(path.read_text()).items()
    ]


def passwords(of: Sequence[User]) -> dict[str, str]:
    """A fresh password for each user, for development; production mounts its own."""
    return {user.name: secrets.token_urlsafe(24) for user in of}


def from_environment(of: Sequence[User]) -> dict[str, str]:
    """References that the server itself resolves from its environment: `$NATS_PASSWORD_<USER>`."""
    return {user.name: f"$NATS_PASSWORD_{user.name.upper().replace('-', '_')}" for user in of}


def render(
    of: Sequence[User],
    passwords: Mapping[str, str],
    *,
    store: Path | str,
    host: str = "127.0.0.1",
    port: int = -1,
    ports_file_dir: Path | str | None = None,
) -> str:
    """The text of a configuration file. Port -1 lets the server choose and write it into `ports_file_dir`.

    The text holds passwords: write it with mode 0600.
    """
    return Template((FOLDER / "nats.conf").read_text()).substitute(
        host=host,
        port=port,
        store=store,
        extra=f'ports_file_dir: "{ports_file_dir}"' if ports_file_dir else "",
        authorization=authorization(of, passwords),
    )


def authorization(of: Sequence[User], passwords: Mapping[str, str]) -> str:
    """The part of a configuration that names the users; what `embedded.NatsServer` takes as `config`."""
    users = "\n".join(_user(user, passwords[user.name]) for user in of)
    return f"authorization {{\n  timeout: 5\n  users: [\n{users}\n  ]\n}}\n"


def _user(user: User, password: str) -> str:
    secret = password if password.startswith("$") else f'"{password}"'
    answers = ', allow_responses: {max: 1, expires: "5s"}' if user.answers else ""
    return (
        f'    {{user: "{user.name}", password: {secret}, permissions: {{'
        f"publish: {_rights(user.may_publish)}, subscribe: {_rights(user.may_subscribe)}{answers}}}}}"
    )


def _rights(subjects: Sequence[str]) -> str:
    if not subjects:
        return '{deny: [">"]}'
    return "{allow: [" + ", ".join(f'"{subject}"' for subject in subjects) + "]}"
