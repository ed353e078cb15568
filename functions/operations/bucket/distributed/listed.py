"""An inventory in place of a listing: its files are pieces to be sorted, and a sample of them says where to cut."""

from collections.abc import Iterator

from ledger.store import Store
from operations.bucket.distributed.job import Job
from operations.bucket.inventory import Inventory, file_lines, read_manifest
from operations.bucket.lines import name_of
from operations.bucket.sources import bucket_and_key_of
from operations.errors import BadWish

SAMPLED_FILES = 16
SAMPLED_EVERY = 50


def inventory_of(job: Job) -> tuple[Store, Inventory]:
    """Read the manifest that was named, and open the bucket of its files.

    Raises:
        BadWish: it is of a form that is read on an operator's machine only.
        NoSource: it is of no bucket that is a source.
        BadInventory, Unavailable: as `read_manifest`.
    """
    bucket, key = bucket_and_key_of(job.wishes.inventory)
    inventory = read_manifest(job.aws.open_bucket(bucket), key)
    if inventory.columns is None:
        raise BadWish("an inventory in Parquet is read without --distributed only; configure it as CSV")
    job.every.of_bucket(inventory.bucket)
    return job.aws.open_bucket(inventory.destination), inventory


def sample(job: Job) -> tuple[list[bytes], int]:
    """Give some names of an inventory, and about how many it has: whether a file is of all keys nobody promises."""
    store, inventory = inventory_of(job)
    step = max(1, len(inventory.files) // SAMPLED_FILES)
    names, rows = list[bytes](), 0
    for file in inventory.files[::step]:
        for line in file_lines(store, inventory, file, job.every):
            if rows % SAMPLED_EVERY == 0:
                names.append(name_of(line))
            rows += 1
    looked_at = sum(file.size for file in inventory.files[::step])
    return names, rows * sum(file.size for file in inventory.files) // max(1, looked_at)


def lines_of(job: Job, number: int) -> Iterator[bytes]:
    """Give the lines of a file."""
    store, inventory = inventory_of(job)
    return file_lines(store, inventory, inventory.files[number], job.every)
