"""The arithmetic of the cost page."""

import pytest

from image_processor.sources import Sources
from infra.benchmarks import _monthly, _pace, cost
from infra.benchmarks._monthly import Printed, Rate
from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from tests.support.catalog_model import catalog_of
from tests.support.paths import ROOT
from tests.support.template import TEMPLATE

PRICES = dict.fromkeys(cost.PRICES, 0.0)


def test_an_image_is_priced_by_its_requests():
    """One GET, eight write units; alone in its batch it is sent, received and deleted by one request each."""
    image = cost.PerImage(gets=1, write_units=8, item_bytes=3000)
    prices = PRICES | {"s3_get": 2.0, "write_unit": 10.0, "sqs_request": 100.0, "lambda_request": 1000.0}
    assert cost.processor_usd(1 / 60, image, prices) == pytest.approx(2 + 80 + 300 + 1000)
    assert cost.processor_usd(100, image, prices) == pytest.approx(2 + 80 + 120 + 100), "ten in a batch"
    event = cost.PerEvent(puts=3, gets=2, invocations=0.5, seconds=0.25, age=1)
    prices = PRICES | {"s3_put": 1.0, "s3_get": 10.0, "lambda_request": 100.0, "lambda_gb_second": 1000.0}
    assert cost.exporter_usd(event, prices) == pytest.approx(3 + 20 + 50 + 250 * cost.EXPORTER_GB)


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


def test_the_functions_have_the_memory_that_the_template_gives_them():
    parameters = TEMPLATE["Parameters"]
    assert parameters["ProcessorMemoryMB"]["Default"] == cost.PROCESSOR_GB * 1024
    assert parameters["ExporterMemoryMB"]["Default"] == cost.EXPORTER_GB * 1024


def test_an_alarm_is_billed_by_the_metrics_that_it_reads():
    """One each, but four for the expression of CsvNotPublished; a metric of ours is billed by its name."""
    alarms = sum(one["Type"] == "AWS::CloudWatch::Alarm" for one in TEMPLATE["Resources"].values())
    assert _monthly.alarm_metrics() == alarms + 3
    printed = Printed(frozenset({("a", "Events"), ("b", "Events")}), (0, 0), (0, 0))
    prices = PRICES | {"alarm_metric": 1.0, "metric": 100.0, "dashboard": 10_000.0}
    usd = [usd for _, usd in _monthly.fixed(printed, prices)]
    assert usd == [alarms + 3, 200, 100 * _monthly.MAPPING_METRICS, 10_000]


def test_logs_and_metrics_are_those_that_the_functions_print():
    """A line for each image, one for each batch, and no metric of what did not happen."""
    bucket = MemoryBucket()
    intake = cost.Intake(bucket, catalog_of(cost.MemoryTables()), Sources({BUCKET}))
    printed = _monthly.measured(intake, _monthly.bodies(bucket.put))
    names = {name for _, name in printed.metrics}
    assert {"ImagesAdded", "ImagesRemoved", "BatchesPublished", "RootAge", "FileAge"} <= names
    assert not {"MessagesFailed", "Conflicts", "EventsQuarantined"} & names
    assert printed.image[0] > 400, "the line of an image"
    assert printed.invocation[1] > 1000, "the lines of a batch"
    assert printed.image[1] < 100, "an etag in it"


def test_a_month_is_priced_by_what_was_printed_and_stored():
    rate = Rate("1/s", images=1000.0, usd=0.0, per_invocation=(10, 100), item_bytes=550, row_bytes=2000,
                journal_bytes=300, written_bytes=0)  # fmt: skip
    printed = Printed(frozenset(), (200, 1000), (20, 3))
    assert _monthly.log_bytes(rate, printed) == 1000 * (200 / 10 + 20 + 1000 / 100 + 3)
    prices = PRICES | {"table_gb": 1e9, "recovery_gb": 2e9, "s3_gb": 1e9}
    assert _monthly.storage(rate, prices, 2) == pytest.approx(
        {
            "tables": 2000 * 1000,
            "point-in-time recovery": 4000 * 1000,
            "CSV, and its shards": 2000 * 2000 * (1 + _monthly.packed_share()),
            "shards that were replaced": 0,
            "journal": 2000 * 300,
        }
    )
    assert 1 / 15 < _monthly.packed_share() < 1 / 10
    commits = rate._replace(images=_monthly.SECONDS / 3600, written_bytes=5)
    replaced = _monthly.storage(commits, prices, 2)["shards that were replaced"]
    assert replaced == pytest.approx(5 * _monthly.SUPERSEDED_HOURS), "one an hour, each kept for so long"


def test_a_rate_may_name_the_seconds_of_a_batch():
    assert cost.rate_of("90/min:10") == (1.5, 10.0)
    assert cost.rate_of("1000/s") == (1000.0, 1.0)


def test_the_run_book_has_the_table_of_a_day_of_publishing() -> None:
    """As the bench prints it, from what the publisher itself reckons with."""
    assert "\n".join(_pace.page()) in (ROOT / "infra" / "README.md").read_text(encoding="utf-8")
    assert _pace.full_pace_usd(3300 * 10**6) == pytest.approx(9.64, abs=0.01)
