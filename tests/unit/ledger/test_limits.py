"""Every number that the ledger was given, held against what it depends on: S3, the template, README, another number.

A number that is not here decides how fast or how dear something is, and no promise rests on it.
"""

from datetime import timedelta
from importlib import import_module

from ledger import batch, combine, layout, limits, manifest, objects, pace, pending, s3_store, slices
from ledger import store as stores
from ledger.assemble import IDLE
from ledger.ledger import CONTENDED_SECONDS
from tests.support.paths import ROOT
from tests.support.template import TEMPLATE

# The modules: the package gives the functions.
committing, publishing = import_module("ledger.commit"), import_module("ledger.publish")

MIB, GIB = 1 << 20, 1 << 30
PARAMETERS = TEMPLATE["Parameters"]
EXPORTER = TEMPLATE["Resources"]["CsvExporter"]["Properties"]
README = " ".join((ROOT / "README.md").read_text().split())

STREAM_KEEPS = timedelta(hours=24)  # DynamoDB Developer Guide, "Change data capture for DynamoDB Streams"
COPY_BYTES = 70e6  # what S3 copies a second for one request (aws-sdk-rust issue 1141), and in all, as README says
ALL_COPIES_BYTES = 2.2e9
SWAPS = 15  # that one key takes a second, as README says
SDK_TRIES = 3  # botocore's standard mode
LONGEST_LOOKS = combine.LEADER_LOOKS * 1.5 * combine.LOOK_SECONDS  # of a follower at one root, without S3's time
LEAST_MEMORY = PARAMETERS["ExporterMemoryMB"]["MinValue"] / (limits.MEMORY // MIB)  # against what these tests run with


def test_the_limits_of_s3_are_those_of_its_documents() -> None:
    """S3 User Guide, "Amazon S3 multipart upload limits"; API Reference, DeleteObjects."""
    assert (layout.SMALLEST_PART, layout.LARGEST_PART, layout.MOST_PARTS) == (5 * MIB, 5 * GIB, 10_000)
    assert s3_store.DELETE_BATCH == 1000


def test_a_csv_too_small_to_be_copied_from_is_put_whole() -> None:
    """What is larger is made of parts, which two puts fit into; and both fit into memory, as bytes and joined."""
    assert layout.can_copy_ranges(publishing.PUT_BELOW)
    assert layout.SMALLEST_PART <= layout.UPLOAD_PART <= publishing.PUT_BELOW < 2 * layout.SMALLEST_PART


def test_the_largest_csv_that_readme_promises_is_published_in_one_invocation() -> None:
    """After the commit, and with time left for the report; no answer is waited for beyond the end."""
    reserves = committing.RESERVE_SECONDS + publishing.RESERVE_SECONDS
    assert EXPORTER["Timeout"] == limits.INVOCATION_SECONDS
    assert f"In the {EXPORTER['Timeout']} s of an invocation 1.9 TB can be published" in README
    assert (limits.INVOCATION_SECONDS - reserves) * ALL_COPIES_BYTES > 1.9e12
    assert stores.PATIENCE_SECONDS + reserves < limits.INVOCATION_SECONDS
    assert stores.PATIENCE_SECONDS > limits.INVOCATION_SECONDS / 2, "a completion may take minutes (API Reference)"


def test_copies_run_all_at_a_time_and_none_is_silent_for_long() -> None:
    """So README computes how old the file is; whoever has little time left can still wait for one copy."""
    assert f"{layout.COPIES} copies side by side, of at most {layout.LARGEST_COPY // MIB} MB" in README
    assert layout.FEW_COPIES < layout.COPIES <= stores.PARALLEL_REQUESTS
    assert (layout.COPIES - 1) * COPY_BYTES < ALL_COPIES_BYTES <= layout.COPIES * COPY_BYTES, "more gain nothing"
    assert pace.COPY_RATE == ALL_COPIES_BYTES
    assert s3_store._WAITS[-2] > layout.LARGEST_COPY / COPY_BYTES
    assert tuple(sorted(s3_store._WAITS, reverse=True)) == s3_store._WAITS
    assert s3_store._WAITS[0] == stores.PATIENCE_SECONDS
    assert s3_store._WAITS[-1] < publishing.RESERVE_SECONDS, "what was asked for last is known before the end"


def test_an_idle_copy_costs_what_the_function_costs_that_waits_for_it() -> None:
    """AWS's prices in eu-west-1: a PUT, and a gigabyte-second on arm64, by the memory that the template gives."""
    put, second = 0.005 / 1000, 0.0000133334 * PARAMETERS["ExporterMemoryMB"]["Default"] / 1024
    assert COPY_BYTES * put / second < layout.IDLE_COPY < 100e6 * put / second


def test_who_gets_no_answer_says_so_before_the_invocation_ends() -> None:
    """Reading, writing, swapping, each asked for as often as the SDK does: the report names what failed."""
    tries = SDK_TRIES * (s3_store._CONNECT_SECONDS + s3_store._READ_SECONDS)
    assert 3 * tries < limits.INVOCATION_SECONDS / 2


def test_a_leader_is_not_taken_for_dead_while_it_gathers() -> None:
    """Half of a follower's shortest patience is for the merge."""
    shortest = combine.LEADER_LOOKS * 0.5 * combine.LOOK_SECONDS
    assert shortest >= 2 * combine.GATHER_LOOKS * combine.LOOK_SECONDS


def test_who_waits_in_the_queue_is_known_as_contended_to_the_end_of_it() -> None:
    """It looks at one root for so long before it leads itself, and comes back with the stream's next batch."""
    assert IDLE.total_seconds() >= CONTENDED_SECONDS, "a ledger that is idle has met nobody lately"
    next_batch = PARAMETERS["StreamWindowSeconds"]["Default"]
    assert LONGEST_LOOKS + next_batch < CONTENDED_SECONDS


def test_conflicts_end_long_before_an_invocation_does() -> None:
    """Also if each means that a leader is waited for; but each of forty exporters may win once before us."""
    each = LONGEST_LOOKS + combine.GATHER_LOOKS * combine.LOOK_SECONDS
    assert committing.MAX_CONFLICTS * each < limits.INVOCATION_SECONDS / 2
    assert committing.MAX_CONFLICTS >= 40
    assert 10 < publishing.MAX_TRIES < committing.MAX_CONFLICTS


def test_a_follower_finds_its_segment_among_those_that_the_root_remembers() -> None:
    """Though full leaders swap as fast as S3 lets them between two of its looks, each with a slow answer."""
    between = 1.5 * combine.LOOK_SECONDS + 0.3
    assert pending.TAKE_SEGMENTS * SWAPS * between < committing.MERGED_NAMES
    assert committing.MERGED_NAMES * 100 < 150_000, "bytes in every root"


def test_what_waits_is_nobodys_when_its_owner_cannot_live_any_more() -> None:
    assert timedelta(seconds=EXPORTER["Timeout"]) == pending.WAITING_LIVES


def test_a_removal_is_remembered_for_longer_than_any_delivery_can_be_late() -> None:
    """A day in the stream, then in an invocation, then in `pending/`; and whoever restores has the second day."""
    latest = STREAM_KEEPS + pending.WAITING_LIVES + timedelta(seconds=limits.INVOCATION_SECONDS)
    assert latest < slices.REMOVALS_KEPT == 2 * STREAM_KEEPS
    assert "A late event is known as late for 48 hours" in README


def test_late_is_what_lambda_would_have_put_aside_and_the_stream_has_not_forgotten() -> None:
    """Else every slow batch would tell of a gap, or none would before records are lost."""
    put_aside = PARAMETERS["StreamRecordAgeSeconds"]["MaxValue"]
    gathered = PARAMETERS["StreamWindowSeconds"]["MaxValue"] + limits.INVOCATION_SECONDS
    assert put_aside <= batch.LATE_SECONDS
    assert batch.LATE_SECONDS + gathered < STREAM_KEEPS.total_seconds()


def test_an_object_that_was_young_is_not_collected_before_the_swap() -> None:
    """Who finds it young does not touch it, and swaps within the invocation: collection leaves a day for that."""
    assert timedelta(seconds=limits.INVOCATION_SECONDS) <= objects.YOUNG <= timedelta(hours=1)


def test_leader_and_publisher_take_three_eighths_of_the_memory_at_most() -> None:
    """What is taken along, a slice before and after, the cache; or what is uploaded, read and joined, the cache."""
    most = limits.MEMORY * 3 / 8
    assert most >= limits.TAKE_BYTES + 2 * limits.SLICE_BYTES + limits.CACHE_BYTES
    assert most >= 2 * limits.UPLOAD_BYTES + limits.CACHE_BYTES


def test_in_the_least_memory_that_the_template_allows_everything_has_its_place() -> None:
    """The largest shard of a million (14 times the target), twice: as it was, and as it becomes; pages, parts."""
    shard, page = manifest.TARGET_SHARD_BYTES, 2 * 180 * manifest.TARGET_PAGE_SHARDS  # an entry has 180 bytes
    assert 14 * shard <= LEAST_MEMORY * limits.SLICE_BYTES
    assert max(2 * shard, page) <= LEAST_MEMORY * limits.CACHE_BYTES / 4, "the most that the cache keeps of one"
    assert 2 * slices.SLICE_PAGES * page <= LEAST_MEMORY * limits.MEMORY / 16, "each with its neighbour"
    assert layout.PAGES_AT_ONCE * page <= LEAST_MEMORY * limits.MEMORY / 16
    assert layout.UPLOAD_PART <= LEAST_MEMORY * limits.UPLOAD_BYTES
    assert 6 * MIB <= LEAST_MEMORY * limits.TAKE_BYTES, "an invocation's payload (Lambda quotas): one segment at least"


def test_a_root_stays_small_and_a_commit_cheap_at_a_hundred_million_rows() -> None:
    """Rows of 3.3 KB: the root lists all pages, and each commit rewrites a shard and a page at the tail."""
    pages = 1e8 * 3300 / (manifest.TARGET_SHARD_BYTES * manifest.TARGET_PAGE_SHARDS)
    assert pages * 190 < 64_000
    assert manifest.TARGET_SHARD_BYTES + manifest.TARGET_PAGE_SHARDS * 180 < 1.25 * MIB
