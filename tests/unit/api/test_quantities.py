"""Sizes and rates, as Kubernetes' own quantities read them."""

from __future__ import annotations

from typing import Any

import pytest

from builders import subscription
from trawler_operator.api.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("0", 0, id="nothing"),
        pytest.param("1073741824", 2**30, id="a bare number"),
        pytest.param("50Gi", 50 * 2**30, id="a power of 1024"),
        pytest.param("4M", 4_000_000, id="a power of 1000"),
        pytest.param("4k", 4000, id="a thousand has a small k"),
        pytest.param("1E", 10**18, id="E alone is a unit"),
        pytest.param("1E3", 1000, id="with a number it is an exponent"),
        pytest.param("1e-3", 0.001, id="a negative exponent"),
        pytest.param("0.5Ti", 2**39, id="a part of one"),
        pytest.param(".5Ki", 512, id="without a digit before the point"),
        pytest.param("5.Ki", 5120, id="without one after it"),
        pytest.param("500m", 0.5, id="thousandths"),
        pytest.param("+1Gi", 2**30, id="a sign"),
        pytest.param("-1Gi", -(2**30), id="less than nothing"),
    ],
)
def test_a_quantity_is_a_number(text: str, number: float) -> None:
    """The grammar of apimachinery's resource.Quantity."""
    assert float(parse_quantity(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Gi",
        "50GB",
        "50 Gi",
        "50gi",
        "5%",
        "1K",
        "1e3Ki",
        "1,5Gi",
        "0x10",
        "1e9999",
        "nan",
        "1" * 33,
        "1Gi\n",
        "١Gi",
    ],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """As the API server does."""
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("library", "expected"),
    [
        pytest.param({}, None, id="not set"),
        pytest.param({"minFree": "50Gi"}, 50 * 2**30, id="a quantity"),
        pytest.param({"minFree": 1000}, 1000, id="a bare number"),
        pytest.param({"minFree": "0"}, 0, id="no floor"),
        pytest.param({"minFree": 0}, 0, id="the same without quotes"),
        pytest.param({"minFree": "1500m"}, 2, id="parts of a byte are rounded up"),
        pytest.param({"minFree": "1Ei"}, 2**60, id="the most"),
    ],
)
def test_room_to_leave_free_is_whole_bytes(library: dict[str, Any], expected: int | None) -> None:
    """Whatever it was written as."""
    assert subscription({"library": library}).spec.library.min_free == expected


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        pytest.param("1Ki", 1024, id="the least"),
        pytest.param("4M", 4_000_000, id="a quantity"),
        pytest.param("10G", 10**10, id="the most"),
    ],
)
def test_a_rate_is_whole_bytes_per_second(rate: str, expected: int) -> None:
    """Both ends of what is allowed included."""
    assert subscription({"access": {"rateLimit": rate}}).spec.access.rate_limit == expected
