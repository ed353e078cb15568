"""Implementations of the store that the contract is tried on, and what each is known not to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from infra.doubles.memory_store import MemoryStore
from ledger.s3_store import S3Store
from ledger.store import Store

_numbers = count(1)

# What an implementation is known not to do. Strict: if it learns, the test says so.
GAPS = {
    "moto": {
        "test_a_completion_keeps_its_condition": "ignores If-Match on CompleteMultipartUpload",
        "test_a_put_in_the_middle_of_an_upload_refuses_it": "ignores If-Match on CompleteMultipartUpload",
        "test_a_completion_on_a_missing_object_is_no_creation": "ignores If-Match on CompleteMultipartUpload",
        "test_a_copy_is_pinned_to_the_etag_of_its_source": "ignores CopySourceIfMatch on UploadPartCopy",
        "test_a_completion_of_another_size_is_no_object": "ignores MpuObjectSize",
        "test_an_aborted_upload_is_gone": "breaks down on completing an upload that is gone",
        "test_a_copy_past_the_end_is_no_part": "clips ranges of UploadPartCopy",
    },
    "seaweed": {
        "test_a_completion_of_another_size_is_no_object": "ignores MpuObjectSize",
    },
    "emulator": {
        "test_a_part_below_5_mib_must_be_the_last": "takes parts of any size",
    },
}

# What an implementation does sometimes: a test that passes by luck proves nothing.
_NOT_ATOMIC = "does not check and write in one step when threads call it within one process"
PROVES_NOTHING = {
    "moto": dict.fromkeys(
        (
            "test_of_many_who_create_an_object_one_does",
            "test_of_many_who_swap_one_etag_one_wins",
            "test_no_increment_is_lost_by_compare_and_swap",
            "test_of_many_who_complete_on_one_etag_one_wins",
        ),
        _NOT_ATOMIC,
    ),
    "seaweed": {
        "test_of_many_who_complete_on_one_etag_one_wins": (
            "checks If-Match when a completion begins, not when it ends: of 40 races of 8, 18 had several winners"
        ),
    },
}


@dataclass(frozen=True)
class Kind:
    """One implementation: its name, a client that makes its buckets, and what leads a store to them."""

    name: str
    client: Any = None
    credentials: Mapping[str, str] = field(default_factory=dict)

    def new(self) -> Store:
        """Make an empty bucket, and a store on it."""
        if self.name == "memory":
            return MemoryStore()
        bucket = f"contract-{next(_numbers)}"
        self.client.create_bucket(Bucket=bucket)
        return S3Store(bucket, **self.credentials)
