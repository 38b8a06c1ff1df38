"""The ERP's answers in our field names, by the bundle's JMESPath expressions; numbers stay as the ERP sent them. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature


class DoesNotFit(Exception):
    """An expression cannot be applied to what the ERP answered; the message says which."""


class _Amounts(Functions):
    """JMESPath's own functions know int and float only: `to_number(52400.50)` of a Decimal would be 52400."""

    def _get_allowed_pytypes(self, types: Sequence[str]) -> tuple[list[str], list[tuple[str, ...]]]:
        allowed, within = super()._get_allowed_pytypes(types)  # type: ignore[misc]  # not in its stubs
        return _with_decimal(allowed), [tuple(_with_decimal(each)) for each in within]

    def _convert_to_jmespath_type(self, name: str) -> str:
        return "number" if name == "Decimal" else str(super()._convert_to_jmespath_type(name))  # type: ignore[misc]

    @signature({"types": []})
    def _func_to_number(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            return None
        if not isinstance(value, str):
            return value
        try:
            number = Decimal(value)
        except InvalidOperation:
            return None
        return number if number.is_finite() else None

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> Any:
        return str(value) if isinstance(value, Decimal) else super()._func_to_string(value)  # type: ignore[misc]  # not in its stubs

    @signature({"types": []})
    def _func_type(self, value: Any) -> Any:
        return "number" if isinstance(value, Decimal) else super()._func_type(value)  # type: ignore[misc]  # not in its stubs


_OPTIONS = jmespath.Options(custom_functions=_Amounts())


def mapped(mapping: Mapping[str, Mapping[str, Any]], endpoint: str, answer: Any) -> Any:
    """An endpoint's answer with the mapped fields added; a list is mapped item by item. Raises DoesNotFit."""
    fields = mapping.get(endpoint)
    if not fields:
        return answer
    if isinstance(answer, list):
        return [mapped(mapping, endpoint, item) for item in answer]
    if not isinstance(answer, dict):
        return answer
    found = {field: _search(endpoint, field, expression, answer) for field, expression in fields.items()}
    return answer | {field: value for field, value in found.items() if value is not None}


def _search(endpoint: str, field: str, expression: Any, answer: Any) -> Any:
    try:
        return expression.search(answer, options=_OPTIONS)
    except (JMESPathError, TypeError, ArithmeticError) as error:
        raise DoesNotFit(
            f"backend.mapping.{endpoint}.{field} does not fit the answer ({type(error).__name__})"
        ) from error


def _with_decimal(names: Sequence[str]) -> list[str]:
    return [*names, "Decimal"] if "int" in names else list(names)
