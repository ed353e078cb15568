"""Which objects count as images: those in the stack's buckets, under its prefixes. Pure."""

from dataclasses import dataclass
from functools import cached_property

from operations.bucket.lines import escape
from operations.errors import NoSource

_SCHEME = "s3://"


@dataclass(frozen=True)
class Sources:
    """Buckets and prefixes whose objects count; what is outside is ignored everywhere alike.

    Attributes:
        buckets: their names.
        prefixes: of keys, the same for all buckets; none: every key counts.
    """

    buckets: tuple[str, ...]
    prefixes: tuple[str, ...] = ()

    @classmethod
    def of_outputs(cls, buckets: str, prefixes: str = "") -> "Sources":
        """Read the stack's outputs: names, and prefixes, with commas between them."""
        return cls(_split(buckets), _split(prefixes))

    @cached_property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Give what is to be listed: (bucket, prefix), none within another, in the order of their objects' names."""
        prefixes = [one for one in self.prefixes or ("",) if not _has_wider(one, self.prefixes)]
        every = {(bucket, prefix) for bucket in self.buckets for prefix in prefixes}
        return tuple(sorted(every, key=lambda place: escape("/".join(place))))

    @cached_property
    def names(self) -> tuple[bytes, ...]:
        """Give what the escaped names of all objects that count begin with."""
        return tuple(escape(f"{bucket}/{prefix}") for bucket, prefix in self.places)

    def hold(self, name: bytes) -> bool:
        """Say whether the object of an escaped name counts."""
        return name.startswith(self.names)

    def holds(self, bucket: str, key: str) -> bool:
        """Say whether an object counts."""
        return bucket in self.buckets and (not self.prefixes or key.startswith(self.prefixes))

    def within(self, place: str) -> "Sources":
        """Narrow them to what is under `s3://BUCKET/PREFIX`; empty leaves them as they are.

        Raises:
            NoSource: the stack does not take images from there.
        """
        if not place:
            return self
        bucket, prefix = bucket_and_key_of(place)
        self.of_bucket(bucket)
        if not self.prefixes or prefix.startswith(self.prefixes):
            return Sources((bucket,), (prefix,) if prefix else ())
        inside = tuple(one for one in self.prefixes if one.startswith(prefix))
        if not inside:
            raise NoSource(
                f"{prefix} is under no prefix of this stack (these are: {', '.join(self.prefixes)}): "
                "add it to the stack's parameter ImagePrefixes, deploy, and try again"
            )
        return Sources((bucket,), inside)

    def of_bucket(self, bucket: str) -> "Sources":
        """Narrow them to one bucket; raises as `within` does."""
        if bucket not in self.buckets:
            raise NoSource(
                f"{bucket} is no source of this stack (these are: {', '.join(self.buckets)}): "
                "name it in the stack's parameter ExistingBuckets, deploy, and try again"
            )
        return Sources((bucket,), self.prefixes)


def bucket_and_key_of(place: str) -> tuple[str, str]:
    """Read `s3://BUCKET/KEY`.

    Raises:
        NoSource: it is none.
    """
    bucket, _, key = place.removeprefix(_SCHEME).partition("/")
    if not place.startswith(_SCHEME) or not bucket:
        raise NoSource(f"{place!r} is no place in S3: write s3://BUCKET/KEY")
    return bucket, key


def _split(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def _has_wider(prefix: str, prefixes: tuple[str, ...]) -> bool:
    return any(one != prefix and prefix.startswith(one) for one in prefixes)
