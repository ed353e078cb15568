"""Engines read one version of the CSV, or say that they cannot, while it is replaced: on a real S3 server."""

from subprocess import CalledProcessError

import pytest

from infra.benchmarks import moment
from infra.local.emulator import make_environment
from infra.paths import HOME

READS = 2
# Of image-data.csv itself these pin their ranges to one ETag: DuckDB compares (duckdb-httpfs#111), s3fs sends If-Match.
PINNED = ("file: DuckDB httpfs, sql", "file: DuckDB httpfs, execute", "file: pandas, s3fs")
WHOLE = "file: DuckDB httpfs, force_download"  # by one GET


@pytest.fixture(scope="module", autouse=True)
def readers() -> None:
    """The engines' own environment."""
    try:
        make_environment(HOME / "readers", moment.LOCK_FILE)
    except (OSError, CalledProcessError) as error:
        pytest.skip(f"the readers' environment cannot be made here: {error}")


def test_what_is_recommended_reads_one_version_and_never_fails() -> None:
    """By the blocks of infra/README.md, word for word; `./infra/bench moment` does it a thousand times."""
    tallies, versions = moment.run(READS, rows=400, pause=0.1)
    assert versions > 2
    recommended = {way: tally for way, tally in tallies.items() if not way.startswith("file: ")}
    assert len(recommended) == 6
    for way, tally in recommended.items():
        assert (tally.whole, tally.mixed, dict(tally.errors)) == (READS, 0, {}), way
    assert (tallies[WHOLE].whole, tallies[WHOLE].mixed, dict(tallies[WHOLE].errors)) == (READS, 0, {})
    for way in PINNED:
        assert tallies[way].mixed == 0, way
        assert set(tallies[way].errors) <= {"HTTPException", "FileExpired"}, way
