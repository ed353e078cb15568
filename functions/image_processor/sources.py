"""Which objects count: the buckets that are sources, and what in them may be a photo. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from image_processor.errors import NotConfigured


@dataclass(frozen=True, slots=True)
class Sources:
    """The objects that count.

    Attributes:
        buckets: names of the sources.
        prefixes: what keys of theirs begin with, in all of them alike; none: any key does.
    """

    buckets: Collection[str]
    prefixes: tuple[str, ...] = ()

    def include(self, key: str) -> bool:
        """Tell whether an object of one of the buckets counts."""
        return not self.prefixes or key.startswith(self.prefixes)


def sources_of(environment: Mapping[str, str]) -> Sources:
    """Read them as the function's environment has them: names with commas between.

    Raises:
        NotConfigured: no bucket is named.
    """
    names = frozenset(_listed(environment.get("IMAGE_BUCKETS", "")))
    if not names:
        raise NotConfigured(
            "IMAGE_BUCKETS names no bucket: it is to name those whose photos count, with commas between"
        )
    return Sources(names, tuple(sorted(_listed(environment.get("IMAGE_PREFIXES", "")))))


def _listed(text: str) -> list[str]:
    return list(filter(None, map(str.strip, text.split(","))))
