"""S3 says nothing while it copies: a publish through a proxy that holds back the answer to every copy for a minute.

The server behind is a real one, SeaweedFS; the code is the exporter's own.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.doubles.fault_proxy import SlowCopies
from infra.local.seaweed import SeaweedFS
from ledger import Ledger, S3Store, commit, publish
from ledger.keys import CSV_KEY
from ledger.limits import INVOCATION_SECONDS
from ledger.publish import PUT_BELOW
from tests.support.factories import insert, item, model_csv

SILENT_SECONDS = 60.0  # three times what any other answer is waited for
ROWS = 40
WIDE = {"exif": {"S": '{"a": "' + "x" * 300_000 + '"}'}}  # a CSV of 12 MB, which is copied in ranges


@pytest.fixture
def seaweed(tmp_path: Path) -> Iterator[SeaweedFS]:
    with SeaweedFS(tmp_path) as server:
        server.client().create_bucket(Bucket="export")
        yield server


def test_a_publish_succeeds_although_s3_is_silent_for_a_minute_while_it_copies(seaweed: SeaweedFS) -> None:
    """The copies are waited for and asked for once, and the CSV is the whole one."""
    ledger = Ledger(S3Store("export", **seaweed.credentials), makes_first_root=True)
    commit(ledger, [insert(number, **WIDE) for number in range(ROWS)])
    publish(ledger)
    proxy = SlowCopies(urlsplit(seaweed.endpoint_url).port or 0, SILENT_SECONDS)
    through = Ledger(S3Store("export", **{**seaweed.credentials, "endpoint_url": proxy.url}))
    began = time.monotonic()
    report = commit(through, [insert(ROWS, **WIDE)])
    done = publish(through, lambda: INVOCATION_SECONDS - (time.monotonic() - began), report)
    proxy.close()
    assert time.monotonic() - began >= SILENT_SECONDS
    assert done.written
    assert done.copied > 0
    stored = ledger.store.get(CSV_KEY)
    assert stored.size > PUT_BELOW
    assert stored.body == model_csv(item(number, **WIDE) for number in range(ROWS + 1))
    copies = proxy.held
    assert 1 <= copies <= 3, "no copy was asked for twice"
