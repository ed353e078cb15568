"""A bucket is listed whole and in order by every server that speaks like S3, whatever its own order."""

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from operations.bucket import pages
from operations.bucket.lines import Listed, bucket_and_key, escape, name_of, read_listed
from operations.bucket.listing import list_places
from operations.bucket.pages import listing_client
from operations.rebuild.scratch import FolderScratch
from tests.support.odd_keys import ODD_KEYS
from tests.support.store_kinds import Kind

# What a server of folders, one of UTF-16, or one that does not encode keys in its answers, gets wrong.
KEYS = [
    *("a/b.jpg", "a/c/d.jpg", "a-b.jpg", "a.jpg", "a0", "a b+c%20.jpg", "ü/ä.jpg", "z\ue000.jpg", "z😀.jpg"),
    *(f"many/{number:04}" for number in range(40)),
]


@pytest.mark.parametrize("name", ["moto", "seaweed", "emulator"])
def test_a_real_list_is_whole_and_in_the_order_of_names(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In many answers, and only what is under the prefix."""
    ask = pages.ask
    monkeypatch.setattr(pages, "ask", lambda client, **asked: ask(client, **({"MaxKeys": 7} | asked)))
    kind: Kind = request.getfixturevalue(f"{name}_kind")
    bucket = f"listed-{name}"
    kind.client.create_bucket(Bucket=bucket)
    for key in KEYS:
        kind.client.put_object(Bucket=bucket, Key=key, Body=b"x")
    client = listing_client(kind.credentials)
    for prefix in ("", "a", "many/001"):
        found = list_places(client, [(bucket, prefix)], FolderScratch(tmp_path / f"p{len(prefix)}"), threads=3)
        names = [name_of(line) for line in found.lines()]
        assert names == sorted(escape(f"{bucket}/{key}") for key in KEYS if key.startswith(prefix)), prefix
        assert all(bucket_and_key(one)[0] == bucket for one in names)
        assert found.objects == len(names)


@mock_aws
def test_odd_keys_come_through_the_sdk_as_they_are(tmp_path: Path) -> None:
    """XML cannot hold all of them, so that S3 encodes them, and botocore reads them; times and ETags come along."""
    s3 = boto3.client("s3", region_name="eu-west-1")
    s3.create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    keys = [key for key in (*ODD_KEYS, "a+b %2B%25", "a&<>'\"b") if "\x00" not in key and key.strip("/")]
    for key in keys:
        s3.put_object(Bucket="photos", Key=key, Body=key.encode())
    found = list_places(listing_client({"region_name": "eu-west-1"}), [("photos", "")], FolderScratch(tmp_path))
    assert ["/".join(bucket_and_key(name_of(line))) for line in found.lines()] == sorted(
        f"photos/{key}" for key in keys
    )
    for line in found.lines():
        head = s3.head_object(Bucket="photos", Key=bucket_and_key(name_of(line))[1])
        modified = head["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ")
        assert read_listed(line) == Listed(head["ETag"].strip('"'), head["ContentLength"], modified)
