"""What a check found."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from operations.rebuild.tree_reader import Difference

# Differences that are only events on their way go away within some seconds; a stuck exporter's do not.
ROUNDS = 4
ROUND_SECONDS = 3.0
LISTED = 100  # differences that are told one by one; the rest is counted
WATCHED = 100_000  # differences that are looked at again; more are not on their way


@dataclass(slots=True)
class Findings:
    """What a check found.

    Attributes:
        sides: names of the two sides.
        checked: what was looked at, in numbers.
        problems: objects that are not as they should be, one line each.
        differences: the first of the keys that two sides do not agree on.
        count: of all such keys.
    """

    sides: tuple[str, str] = ("left", "right")
    checked: dict[str, int | str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    count: int = 0

    @property
    def good(self) -> bool:
        """Say whether nothing was found."""
        return not self.problems and not self.count

    def tally(self, **counts: int) -> None:
        """Add to the numbers of what was looked at."""
        for name, count in counts.items():
            self.checked[name] = int(self.checked[name]) + count

    def add(self, differences: Iterator[Difference]) -> None:
        """Take all differences, the first of them to be listed."""
        self.differences = list(islice(differences, LISTED))
        self.count = len(self.differences) + sum(1 for _ in differences)
