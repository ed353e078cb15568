"""What sending objects through the lane will cost, about: list prices, and what an image takes.

The prices are those that `./infra/bench cost` takes, which counts the requests of an image with the product's own code.
"""

from ledger import prices

PRICES_DATE = "2026-11-26"
# As those of the ledger: list prices, from memory of the pages that are named.
PRICES = {
    "s3_put": prices.S3_PUT,
    "s3_get": prices.S3_GET,
    "write_unit": 0.625 / 1e6,  # on demand; aws.amazon.com/dynamodb/pricing/on-demand
    "read_unit": 0.125 / 1e6,
    "full_export_gb": 0.10,  # aws.amazon.com/dynamodb/pricing
    "lambda_request": prices.LAMBDA_REQUEST,
    "lambda_gb_second": prices.LAMBDA_GB_SECOND,
    "sqs_request": 0.40 / 1e6,  # aws.amazon.com/sqs/pricing
}
PROCESSOR_GB = 1.0  # the function's default
PROCESSOR_SECONDS = 0.1  # of an invocation, whose images are read in parallel
PROCESSOR_BATCH = 10  # messages of an invocation, if so many come within a second

# As counted by the benchmark.
_GETS = 1.0
_WRITE_UNITS = 8.0
_EXPORTER_USD = 3e-6  # CsvExporter's part of an image, if some hundred come in a second


def lane_usd(objects: int) -> float:
    """Estimate what it costs to send objects through the lane, all of them new images.

    Each is sent, received and deleted in batches of ten, looked at, read and written; and its row is exported.
    """
    per_object = (
        3 / PROCESSOR_BATCH * PRICES["sqs_request"]
        + (1 + _GETS) * PRICES["s3_get"]  # HEAD first
        + PRICES["read_unit"]
        + _WRITE_UNITS * PRICES["write_unit"]
        + PRICES["lambda_request"] / PROCESSOR_BATCH
        + PROCESSOR_SECONDS / PROCESSOR_BATCH * PROCESSOR_GB * PRICES["lambda_gb_second"]
        + _EXPORTER_USD
    )
    return objects * per_object


def usd_text(usd: float) -> str:
    """Write what something costs, about; less than a cent is not nothing."""
    return f"about ${usd:,.2f}" if usd >= 0.01 or not usd else "less than $0.01"


def look_usd(list_requests: int, exported_bytes: int = 0) -> float:
    """Tell what listing, and the export of the table, cost.

    Args:
        list_requests: of up to 1,000 keys each.
        exported_bytes: of the table.
    """
    return list_requests * PRICES["s3_put"] + exported_bytes / 1e9 * PRICES["full_export_gb"]
