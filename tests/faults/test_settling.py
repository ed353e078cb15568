"""Whatever happens to events, a record says what S3 has, once the last one has come or somebody has looked."""

from typing import Any

from tests.support.settling import World

SEEDS = range(3000)


def test_a_record_says_what_s3_has_whichever_events_were_lost() -> None:
    """Created, overwritten, removed, with and without versions; told late, twice, out of order, wrongly, or not at all.

    Looks at any moment, and other functions between any two requests of one. Sure is an object whose last event came,
    or which was looked at after its last change.
    """
    worlds = [World(seed).run() for seed in SEEDS]
    assert [seed for seed in SEEDS if worlds[seed].wrong()] == []
    assert sum(len(world.sure) for world in worlds) > len(SEEDS), "the model tells nothing"


def test_a_removal_that_is_believed_takes_rows_away() -> None:
    """Never looking is wrong, and so is it to look only where somebody has looked before."""

    def settled_only(record: dict[str, Any] | None) -> bool:
        return "looks" not in (record or {})

    for believes in (lambda record: True, settled_only):
        assert any(World(seed, believes).run().wrong() for seed in SEEDS)
