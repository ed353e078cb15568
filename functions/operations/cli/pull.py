"""The commands for readers: pull, ddl."""

from pathlib import Path
from typing import Annotated, Any

import typer

from operations.cli.deployment import Place
from operations.cli.options import app, command
from operations.cli.output import Output
from operations.live import snapshot as snapshots
from operations.readers.ddl import Engine, statements
from operations.readers.formats import Format, Written, write
from operations.readers.pull import Pulled, follow
from operations.readers.pull import pull as pull_copy


@command(app)
def pull(
    place: Place,
    output: Output,
    dest: Annotated[Path, typer.Argument(help="Folder for image-data.csv and the other formats.")],
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="Formats beside the CSV; can be given several times.")
    ] = None,
    where: Annotated[
        str, typer.Option(help='Only rows for which this DuckDB expression is true, e.g. "iso > 400".')
    ] = "",
    name: Annotated[str, typer.Option("--snapshot", help="Copy this snapshot instead of the live tree.")] = "",
    keep_up: Annotated[bool, typer.Option("--follow", help="Go on, and copy whenever something changed.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks with --follow.")] = 10.0,
) -> None:
    """Copy image-data.csv to this machine, fetching only what changed, and write it in other formats.

    The folder always has the whole image-data.csv. With --where, the chosen rows are written as selection.csv,
    selection.parquet and so on; geo.txt is OpenDroneMap's list of positions, pix4d.csv that of Pix4D.
    """
    ledger = place.ledger()
    roots = follow(ledger, every) if keep_up else iter([snapshots.load(ledger, name) if name else None])
    wanted = dict.fromkeys(formats or ([Format.CSV] if where else []))
    for root in roots:
        with output.progress() as progress:
            pulled = pull_copy(ledger, dest, root, progress)
            written = [
                write(form, pulled.path, pulled.columns, where) for form in wanted if form is not Format.CSV or where
            ]
        _tell(output, pulled, written, f"snapshot {name}" if name else f"version {pulled.version}")


def _tell(output: Output, pulled: Pulled, written: list[Written], what: str) -> None:
    files: list[dict[str, Any]] = [
        {"path": str(one.path), "rows": one.rows, "left_out": one.left_out} for one in written
    ]
    output.result(
        {
            "version": pulled.version,
            "tree": pulled.tree,
            "rows": pulled.rows,
            "bytes": pulled.bytes,
            "path": str(pulled.path),
            "changed": pulled.changed,
            "fetched_bytes": pulled.fetched_bytes,
            "fetched_shards": pulled.fetched_shards,
            "reused_bytes": pulled.reused_bytes,
            "files": files,
        }
    )
    news = f"fetched {pulled.fetched_bytes:,} bytes" if pulled.changed else "nothing new"
    output.say(f"{pulled.path}: {what}, {pulled.rows:,} rows, {news}")
    for one in written:
        left_out = "".join(f"; {count:,} {reason}" for reason, count in one.left_out.items())
        output.say(f"{one.path}: {one.rows:,} rows{left_out}")


@command(app)
def ddl(
    place: Place,
    output: Output,
    engine: Annotated[Engine, typer.Argument(help="Who is to read the CSV.")],
) -> None:
    """Print the statements by which Athena or Redshift reads the CSV, with all its columns and their types."""
    root, _ = place.ledger().load_root()
    text = statements(engine, root.columns, place.bucket_name())
    output.result({"engine": engine.value, "statements": text})
    output.say(text.rstrip())
