"""Two sorted sequences are walked side by side."""

import random

import pytest

from operations.rebuild.merge_join import full_join


@pytest.mark.parametrize("seed", range(20))
def test_every_key_comes_once_with_what_either_side_has(seed: int) -> None:
    """The same as two dictionaries say."""
    chance = random.Random(seed)
    left, right = (
        {b"%03d" % number: (side, number) for number in chance.sample(range(40), chance.randrange(20))} for side in "lr"
    )
    joined = full_join(iter(sorted(left)), iter(sorted(right.items())), lambda key: key, lambda pair: pair[0])
    assert list(joined) == [
        (key, key if key in left else None, (key, right[key]) if key in right else None)
        for key in sorted({*left, *right})
    ]
