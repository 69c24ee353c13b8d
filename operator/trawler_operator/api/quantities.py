"""Sizes and rates as Kubernetes quantities: `50Gi`, `4M`, `0.5Ti`, or a bare number.

In the models they are whole bytes.
The API server refuses what the rules here refuse, by CEL's own quantities.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from trawler_operator.api.field_types import cel_rules

MAX_LENGTH = 32
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+))(?:([KMGTPE]i|[numkMGTPE])|([eE][+-]?[0-9]{1,3}))?")
_UNITS = {
    **{unit: Decimal(1000) ** power for power, unit in zip((-3, -2, -1, 1, 2, 3, 4, 5, 6), "numkMGTPE", strict=True)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
"""Those of resource.Quantity in Kubernetes' apimachinery: `k` is a thousand, `Ki` is 1024, and there is no `K`."""

LARGEST_SIZE = 2**60
"""One exbibyte: more than any volume has, and exact in JSON readers that count in 64 bits."""
MIN_FREE_RULE = "must be a quantity of bytes from 0 to 1Ei, e.g. 50Gi"
RATE_RULE = "must be a quantity of bytes per second from 1Ki to 10G, e.g. 4M or 500Ki"


def parse_quantity(text: str) -> Decimal:
    """The number that a quantity is.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None or len(text) > MAX_LENGTH:
        raise ValueError(f"{text!r} is not a quantity")
    number, unit, exponent = found.groups(default="")
    return Decimal(number + exponent) * _UNITS.get(unit, 1)


def _whole_between(least: int, most: int, rule: str) -> Callable[[object], int]:
    """Reads a quantity or a whole number; parts of a byte are rounded up, as Kubernetes does."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(rule)  # noqa: TRY004 - pydantic takes no TypeError
        try:
            number = parse_quantity(str(value))
        except ValueError:
            raise ValueError(rule) from None
        if not least <= number <= most:
            raise ValueError(rule)
        return int(number.to_integral_value(ROUND_CEILING))

    return read


def _schema(field: str, least: int, most: int, rule: str) -> dict[str, Any]:
    # A unit alone is a quantity for Kubernetes, and means 0: whoever wrote it meant something else.
    expression = (
        f"type(self) == int ? self >= {least} && self <= {most} : isQuantity(self) && self.matches('[0-9]') && "
        f"quantity(self).compareTo(quantity('{least}')) >= 0 && quantity(self).compareTo(quantity('{most}')) <= 0"
    )
    return {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
        "maxLength": MAX_LENGTH,
        **cel_rules((expression, f"{field} {rule}")),
    }


FreeSpace = Annotated[
    int,
    BeforeValidator(_whole_between(0, LARGEST_SIZE, MIN_FREE_RULE)),
    WithJsonSchema(_schema("minFree", 0, LARGEST_SIZE, MIN_FREE_RULE)),
]
ByteRate = Annotated[
    int,
    BeforeValidator(_whole_between(1024, 10**10, RATE_RULE)),
    WithJsonSchema(_schema("rateLimit", 1024, 10**10, RATE_RULE)),
]
