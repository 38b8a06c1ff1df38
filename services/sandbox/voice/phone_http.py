"""The controls of people's phones, under `/_sandbox/phones`."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, put
from litestar.exceptions import ValidationException
from litestar.params import FromPath
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from services.sandbox.voice.phone import Phones
from services.sandbox.voice.phone_script import Phone


def controls(phones: Phones) -> Router:
    """How people answer their phones."""

    @put("/{number:str}")
    async def script(number: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        """From now on `number` (`*`: everybody else's) is answered like this; the body is YAML or JSON."""
        try:
            phone = read((await request.body()).decode())
            phones.give(number, phone)
        except ValueError as error:
            raise ValidationException(str(error)) from error
        return Response(msgspec.json.encode(phone), media_type="application/json")

    return Router("/_sandbox/phones", route_handlers=[script], include_in_schema=False)


def read(text: str) -> Phone:
    """A phone from YAML. Raises ValueError for anything else."""
    try:
        return msgspec.convert(YAML(typ="safe").load(text) or {}, Phone)
    except (YAMLError, msgspec.ValidationError) as error:
        raise ValueError(f"this is no phone script: {error}") from error
