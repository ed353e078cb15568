"""The figures that benchmarks share."""

import pytest

from infra.benchmarks._report import percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7], 50, 7),
        ([2, 1], 50, 1),
        ([3, 1, 2], 50, 2),
        (range(1, 101), 99, 99),
        (range(1, 102), 99, 100),
        ([1.5, 0.5], 100, 1.5),
        ([1.5, 0.5], 0, 0.5),
    ],
)
def test_a_percentile_is_the_nearest_rank(values, percent, expected):
    """The smallest value that at least so many percent do not exceed, whatever their order."""
    assert percentile(values, percent) == expected
