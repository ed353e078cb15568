"""The arithmetic of the cost page."""

import pytest

from infra.benchmarks import cost

PRICES = dict.fromkeys(cost.PRICES, 0.0)


def test_an_image_is_priced_by_its_requests():
    """One GET, eight write units; alone in its batch it is sent, received and deleted by one request each."""
    image = cost.PerImage(gets=1, write_units=8, item_bytes=3000)
    prices = PRICES | {"s3_get": 2.0, "write_unit": 10.0, "sqs_request": 100.0, "lambda_request": 1000.0}
    assert cost.processor_usd(1 / 60, image, prices) == pytest.approx(2 + 80 + 300 + 1000)
    assert cost.processor_usd(100, image, prices) == pytest.approx(2 + 80 + 120 + 100), "ten in a batch"
    event = cost.PerEvent(puts=3, gets=2, invocations=0.5, seconds=0.25, age=1)
    prices = PRICES | {"s3_put": 1.0, "s3_get": 10.0, "lambda_request": 100.0, "lambda_gb_second": 1000.0}
    assert cost.exporter_usd(event, prices) == pytest.approx(3 + 20 + 50 + 250)


def test_a_scan_is_shared_by_what_came_during_the_last_one_and_must_end_in_time():
    """A table of 100 MB takes 10 s and 12,207 read units; at 5 images a second fifty share it."""
    prices = PRICES | {"read_unit": 1.0}
    assert cost.predecessor_usd(5, 25_000, 4000, prices) == pytest.approx(100e6 / 8192 / 50)
    assert cost.predecessor_usd(1 / 60, 25_000, 4000, prices) == pytest.approx(100e6 / 8192)
    assert cost.predecessor_usd(1000, 25_000, 4000, prices) == pytest.approx(100e6 / 8192 / cost.SCAN_BATCH)
    assert cost.predecessor_usd(5, 10**7, 4000, prices) is None


def test_an_incremental_export_is_billed_for_ten_megabytes_at_least():
    prices = PRICES | {"incremental_export_gb": 1.0}
    assert cost.incremental_usd(1 / 60, 3000, prices) == pytest.approx(0.01 / 15)
    assert cost.incremental_usd(100, 3000, prices) == pytest.approx(3000 / 1e9)


def test_a_rate_may_name_the_seconds_of_a_batch():
    assert cost.rate_of("90/min:10") == (1.5, 10.0)
    assert cost.rate_of("1000/s") == (1000.0, 1.0)
