"""Which objects count, and which places a command may be pointed at."""

import pytest

from image_processor.sources import sources_of
from operations.bucket.lines import escape
from operations.bucket.sources import Sources
from operations.errors import NoSource

TWO = Sources.of_outputs("photos, a,a-b", "site/, site/a/,old")


def test_what_is_listed_is_in_the_order_of_names_and_nothing_twice() -> None:
    """`a-b/` comes before `a/`, as lines sort; a prefix within another adds none."""
    assert TWO.places == (
        ("a-b", "old"),
        ("a-b", "site/"),
        ("a", "old"),
        ("a", "site/"),
        ("photos", "old"),
        ("photos", "site/"),
    )
    assert Sources.of_outputs("b,a").places == (("a", ""), ("b", ""))
    assert Sources(()).places == ()


@pytest.mark.parametrize(
    ("bucket", "key", "counts"),
    [
        ("a", "site/x.jpg", True),
        ("a", "older.jpg", True),
        ("a", "sit", False),
        ("a", "x/site/x.jpg", False),
        ("a-", "site/x.jpg", False),
        ("a-b", "site/\n", True),
    ],
)
def test_an_object_counts_by_bucket_and_prefix(bucket: str, key: str, counts: bool) -> None:
    """The same by its name in a line; without prefixes every key of a bucket counts."""
    assert TWO.holds(bucket, key) == TWO.hold(escape(f"{bucket}/{key}")) == counts
    every = Sources(TWO.buckets)
    assert every.holds(bucket, key) == every.hold(escape(f"{bucket}/{key}")) == (bucket in TWO.buckets)
    assert not Sources(()).hold(escape(f"{bucket}/{key}"))


def test_a_place_within_the_sources_narrows_them_and_any_other_is_refused_by_name() -> None:
    """And the refusal says which parameter of the stack to change."""
    assert TWO.within("") is TWO
    assert TWO.within("s3://a/site/b/").places == (("a", "site/b/"),)
    assert TWO.within("s3://a").places == TWO.within("s3://a/").places == (("a", "old"), ("a", "site/"))
    assert TWO.within("s3://a/s").places == (("a", "site/"),)
    assert Sources(("a",)).within("s3://a/x y+%20").places == (("a", "x y+%20"),)
    for place, told in (
        ("s3://other/site/", "other is no source of this stack (these are: photos, a, a-b).*ExistingBuckets"),
        ("s3://a/new/", r"new/ is under no prefix of this stack (these are: site/, site/a/, old).*ImagePrefixes"),
        ("a/site/", "s3://BUCKET/KEY"),
        ("s3:///x", "s3://BUCKET/KEY"),
    ):
        with pytest.raises(NoSource, match=told.replace("(", r"\(").replace(")", r"\)")):
            TWO.within(place)


@pytest.mark.parametrize("prefixes", ["", "site/", "site/, old", " a b/ ,,site/a/", "ü/,site/,site/a/"])
def test_the_same_objects_count_here_and_to_the_function_that_reads_them(prefixes: str) -> None:
    """Else a check would name for ever what ImageProcessor passes over; both read the same texts, and share no code."""
    buckets = "photos, archive,"
    here = Sources.of_outputs(buckets, prefixes)
    there = sources_of({"IMAGE_BUCKETS": buckets, "IMAGE_PREFIXES": prefixes})
    for bucket in ("photos", "archive", "photos-2", "phot"):
        for key in ("site/1.jpg", "site/a/2.jpg", "site", "old.jpg", "a b/1", " a b/1", "ü/1", "x"):
            counts = bucket in there.buckets and there.include(key)
            assert here.holds(bucket, key) == counts
            assert here.hold(escape(f"{bucket}/{key}")) == counts
