"""What a function's answer means for its batch."""

from typing import Any

import pytest

from infra.local.invocation import Record, first_failure


def records(*numbers: int) -> list[Record]:
    return [{"dynamodb": {"SequenceNumber": str(number)}} for number in numbers]


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_these_responses_mean_complete_success(response: Any) -> None:
    """Empty or null response, empty or null list."""
    assert first_failure(response, records(1, 2)) is None


@pytest.mark.parametrize(
    "response",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"wrongName": "2"}]},
        {"batchItemFailures": [{"itemIdentifier": "99"}]},
        {"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "99"}]},
        {"batchItemFailures": "2"},
        "all is well",
    ],
)
def test_these_responses_fail_the_whole_batch(response: Any) -> None:
    """Empty, null, misnamed and unknown identifiers: nothing that they say is believed."""
    assert first_failure(response, records(1, 2)) == 0


def test_the_lowest_reported_number_is_the_checkpoint() -> None:
    """Everything from it on comes again, whatever else was reported; numbers are compared as numbers."""
    response = {"batchItemFailures": [{"itemIdentifier": "100"}, {"itemIdentifier": "9"}]}
    assert first_failure(response, records(8, 9, 10, 100)) == 1
