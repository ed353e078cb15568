"""What the publish benchmark says of readers and bytes: a torn or older read is found, whatever else went well."""

import hashlib
import io
from collections import Counter
from threading import Event

import pytest
from botocore.exceptions import ConnectionClosedError
from botocore.response import StreamingBody

from infra.benchmarks._reader import Read, Reader, Verdict
from infra.benchmarks.publish import REQUESTS, CsvStore, Measured
from infra.doubles.memory_store import MemoryStore
from infra.waiting import PATIENCE_SECONDS
from ledger.keys import CSV_KEY

BODIES = {1: b"one\n", 2: b"one\ntwo\n"}
EXPECTED = {version: hashlib.sha256(body).hexdigest() for version, body in BODIES.items()}


class Client:
    """Answers GETs with these versions and bodies, then goes on with the last; None is an answer that is cut off."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.all_given = Event()

    def get_object(self, *, Bucket, Key):  # noqa: N803
        assert (Bucket, Key) == ("export", CSV_KEY)
        version, body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if len(self._answers) == 1:
            self.all_given.set()
        if body is None:
            raise ConnectionClosedError(endpoint_url="http://s3")
        return {"Metadata": {"version": str(version)}, "Body": StreamingBody(io.BytesIO(body), len(body))}


def judged(*answers) -> Verdict:
    reader = Reader(Client(*answers), "export")
    for _ in answers:
        reader.read()
    return reader.judge(EXPECTED)


def test_whole_versions_in_order_are_well():
    assert judged((1, BODIES[1]), (1, BODIES[1]), (2, BODIES[2])) == Verdict(reads=3)


def test_bytes_of_another_version_than_the_metadata_name_are_torn():
    """Even if they are those of a whole version."""
    assert judged((1, BODIES[1]), (2, BODIES[1])) == Verdict(reads=2, torn=1)
    assert judged((1, BODIES[1]), (2, b"one\ntw")) == Verdict(reads=2, torn=1)


def test_a_version_that_nobody_published_is_torn():
    assert judged((3, BODIES[2])) == Verdict(reads=1, torn=1)


def test_every_read_that_is_older_than_the_newest_before_it_counts():
    """Not only the first one after it."""
    assert judged((2, BODIES[2]), (1, BODIES[1]), (1, BODIES[1]), (2, BODIES[2])) == Verdict(reads=4, older=2)


def test_an_answer_that_breaks_off_is_counted_apart():
    """Its reader knows; the reads after it count."""
    assert judged((1, None), (1, BODIES[1])) == Verdict(reads=1, broken=1)


def test_a_read_is_across_a_publish_if_it_was_under_way_when_the_csv_was_replaced():
    reader = Reader(None, "export")
    reader.seen = [Read(1, EXPECTED[1], began, began + 1.0) for began in (10.0, 11.0, 12.0)]
    assert reader.judge(EXPECTED, [11.5, 11.6, 20.0]).across == 1


def test_the_reader_reads_in_the_background_and_once_more_at_the_end():
    client = Client((1, BODIES[1]), (1, BODIES[1]), (2, BODIES[2]))
    reader = Reader(client, "export")
    with reader.reading():
        assert client.all_given.wait(PATIENCE_SECONDS)
    assert reader.judge(EXPECTED) == Verdict(reads=len(reader.seen))
    assert [read.version for read in reader.seen[:2]] == [1, 1]
    assert reader.seen[-1].version == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_died_proves_nothing():
    reader = Reader(Client(("none", b"")), "export")
    with pytest.raises(RuntimeError, match="died"), reader.reading():
        pass


def test_borders_count_once_in_one_figure_and_twice_in_the_other():
    """Two regions with 3 bytes of change and 4 bytes of borders."""
    one = Measured(100, 3, 2, uploaded=7, borders=4, shards=3, copied=93, requests=Counter(), seconds=1)
    assert (one.excess, one.excess_both_ways) == (2, 4)


def test_the_store_knows_what_was_read_of_the_csv_and_when_it_was_replaced():
    """Ranges of other objects are no borders, other swaps do not replace it; every request has a name."""
    store = CsvStore(MemoryStore())
    store.put_if_match("manifest.json", b"{}", None, "application/json", {})
    assert store.replaced == []
    etag = store.put_if_match(CSV_KEY, b"0123456789", None, "text/csv", {})
    assert store.get_range(CSV_KEY, 2, 4, etag=etag) == b"234"
    store.get_range("manifest.json", 0, 1)
    assert (store.borders, store.read, len(store.replaced)) == (3, 5, 1)
    upload = store.start_upload(CSV_KEY, "text/csv", {})
    tag = store.upload_part(CSV_KEY, upload, 1, b"new")
    store.finish_upload(CSV_KEY, upload, [tag], etag, size=3)
    assert store.get(CSV_KEY).body == b"new"
    assert len(store.replaced) == 2
    counted = Counter({name: store.count(*verbs) for name, verbs in REQUESTS.items()})
    assert counted.total() == store.requests == 8
    store.reset()
    assert (store.borders, store.read, store.requests) == (0, 0, 0)
