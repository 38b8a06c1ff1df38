"""The controls of people's phones, under `/_sandbox/phones`."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, Router, post, put
from litestar.exceptions import ValidationException
from litestar.params import FromPath
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from services.sandbox.voice.phone import Phones
from services.sandbox.voice.phone_script import Phone


def controls(phones: Phones, dial: Callable[[str], str]) -> Router:
    """How people answer their phones, and that they call; `dial` makes a number call us and gives Exotel's id of the call."""

    @put("/{number:str}")
    async def script(number: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        """From now on `number` (`*`: everybody else's) is answered like this; the body is YAML or JSON."""
        try:
            phone = read((await request.body()).decode())
            phones.give(number, phone)
        except ValueError as error:
            raise ValidationException(str(error)) from error
        return Response(msgspec.json.encode(phone), media_type="application/json")

    @post("/{number:str}/call", status_code=200, sync_to_thread=False)
    def call(number: FromPath[str]) -> dict[str, str]:
        """A person calls us: the exophone's flow answers. `sid` names the call, at `/_sandbox/exotel/calls/{sid}`."""
        return {"sid": dial(number)}

    return Router("/_sandbox/phones", route_handlers=[script, call], include_in_schema=False)


def read(text: str) -> Phone:
    """A phone from YAML. Raises ValueError for anything else."""
    try:
        return msgspec.convert(YAML(typ="safe").load(text) or {}, Phone)
    except (YAMLError, msgspec.ValidationError) as error:
        raise ValueError(f"this is no phone script: {error}") from error
