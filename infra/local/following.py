"""One run of the pipeline on a folder: bring the CSV up to date, tell what is in it, and follow what changes."""

import os
import shlex
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.progress import Progress

from infra.local.display import clock, console, say, show_progress, tasks
from infra.local.folder import printable
from infra.local.stack import LocalStack
from infra.local.summary import HEAD_BYTES, Csv, Notes, kind_of, table_of
from infra.local.uploads import Done, Uploads
from infra.paths import ROOT
from operations.page.photos import PhotoReader
from operations.page.server import page_server

FOLLOW_SECONDS = 1.0
# A large folder takes long to look at: no more than a tenth of the time is spent on that.
REST_FOR_LOOK = 9
LONG_TASK = 50
# The processor's time-out and some: work that has not moved for so long is not under way but failed.
STALLED_SECONDS = 75.0
STREAM_OFF = "[yellow]The stream is off, so the CSV does not follow: skyledger stream on[/]"


class Run:
    """The pipeline on one folder.

    Attributes:
        whole: everything came through, as far as this run has seen.
    """

    def __init__(self, stack: LocalStack, folder: Path, home: Path, *, keep: bool) -> None:
        """Begin.

        Args:
            stack: running.
            folder: to follow.
            home: gets the CSV, and what belongs to it.
            keep: leave alone what was uploaded from other folders.
        """
        self.whole = False
        self._stack, self._folder, self._home = stack, folder, home
        self._uploads = Uploads(stack, folder, keep=keep)
        self._reason = f"The reason stands in {stack.emulator.folder / 'emulator.log'}"
        self._published = Csv(home / "image-data.csv")
        self._version = ""
        self._skipped: dict[str, str] = {}

    # ---- up to date ------------------------------------------------------------------------------------------------

    def bring_up_to_date(self, begun: float) -> None:
        """Upload, wait and show.

        Args:
            begun: when the command was, in seconds of the monotonic clock.
        """
        with show_progress() as progress:
            progress.start()
            done = self._uploads.follow(tasks(progress))
            assert done is not None  # it is the first look
            came_through = self._wait(progress, done.changes)
        self._download()
        console.print(table_of(self._published))
        objects = {(bucket, key) for bucket in self._buckets for key in self._stack.objects(bucket)}
        self._tell_notes(done, objects)
        self._tell_numbers(done, objects, time.monotonic() - begun)
        lost = self._stack.dead_letters()
        if lost:
            say(f"[red]{lost} events could not be processed[/] and lie in the dead-letter queue. {self._reason}")
        say(f"CSV: [bold]{escape(str(self._published.path))}[/]")
        self.whole = came_through and not lost

    def _wait(self, progress: Progress, changes: int) -> bool:
        """Wait until the CSV is current; False if work is left that does not move.

        Args:
            progress: to show it on.
            changes: objects that were written or deleted for it.
        """
        last, moved, total = None, time.monotonic(), changes
        task = progress.add_task("reading images", total=total or None)
        while backlog := self._stack.backlog():
            left = backlog.waiting + backlog.under_way
            total = changes or max(total, left)  # without changes: what others have put, or an earlier run left
            done = max(0, total - left)  # S3's own messages wait as well
            what = "reading images" if left else "writing the CSV"
            progress.update(task, total=total or None, completed=done, description=what)
            if backlog != last:
                last, moved = backlog, time.monotonic()
            if time.monotonic() - moved > STALLED_SECONDS:
                say(f"[red]{left} events do not get through[/]; they are tried again in minutes. {self._reason}")
                return False
        progress.update(task, description="CSV is current", total=total or 1, completed=total or 1)
        return True

    def _download(self) -> None:
        self._version = self._stack.csv_version()
        self._stack.download_csv(self._published.path)
        self._published = Csv.read(self._published.path)

    def _tell_numbers(self, done: Done, objects: set[tuple[str, str]], seconds: float) -> None:
        where = "the bucket" if len(self._buckets) == 1 else f"{len(self._buckets)} buckets"
        for folder, count in done.others.items():
            say(f"{count:,} objects that an earlier run uploaded from {escape(folder)} are deleted (--keep keeps them)")
        if gone := len(done.deleted) - sum(done.others.values()):
            say(f"{gone:,} objects are deleted, whose files are gone")
        self._tell_suspicious(done)
        say(
            f"{len(done.uploaded)} of {done.files} files uploaded now; {len(objects)} objects in {where}, "
            f"{self._published.images} images"
        )
        elsewhere = sum(1 for bucket, key in objects if bucket != self._own or not self._uploads.has(key))
        if elsewhere:
            say(f"{elsewhere:,} of the objects are not from {escape(str(self._folder))} and stay (--fresh forgets all)")
        rows = f"[bold]{len(self._published.rows)} rows[/] (distinct images)"
        say(f"{rows}, {len(self._published.warned)} with warnings, {seconds:.1f} s in all")

    def _tell_notes(self, done: Done, objects: set[tuple[str, str]]) -> None:
        self._skipped = done.skipped
        notes = Notes(
            self._home / "image-data-notes.txt",
            {
                ("file was not uploaded", "files were not uploaded"): done.skipped,
                ("object has no row", "objects have no row"): self._without_row(objects - self._published.named),
                ("row has warnings", "rows have warnings"): self._published.warned,
            },
        )
        notes.write()
        for line in notes.shown():
            say(escape(line), style=None if line.endswith(":") else "dim")

    def _without_row(self, objects: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Say of objects that no row names, and that are no copies, why that is; folders' placeholders are none."""
        unnamed = [(bucket, key) for bucket, key in objects if not key.endswith("/")]
        known = self._stack.records(unnamed)
        return {
            (key if bucket == self._own else f"{bucket}/{key}"): self._why(key, known.get((bucket, key)))
            for bucket, key in unnamed
            if "etag" not in known.get((bucket, key), {})
        }

    def _why(self, key: str, record: Mapping[str, object] | None) -> str:
        if record is None:
            return "not processed"
        path = self._uploads.path(key)
        if path is None:
            return "no image"
        try:
            with path.open("rb") as file:
                return kind_of(file.read(HEAD_BYTES))
        except OSError:
            return "no image"

    # ---- following -------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Do what the folder changes, and tell every new version of the CSV, until interrupted."""
        with self._page() as address:
            say(f"Page: [bold]{address}[/]")
            self._tell_how()
            new: set[tuple[str, str]] = set()
            enabled = True
            while True:
                looked = time.monotonic()
                with show_progress() as progress:
                    done = self._uploads.follow(tasks(progress, least=LONG_TASK))
                if done is not None:
                    self._tell_change(done)
                    new |= {(self._own, key) for key in done.uploaded}
                if self._stack.csv_version() != self._version:
                    self._tell_version()
                new = self._tell_refused(new)
                if enabled != (enabled := self._stack.mapping.enabled):
                    say("The stream is on again." if enabled else STREAM_OFF)
                time.sleep(max(FOLLOW_SECONDS, REST_FOR_LOOK * (time.monotonic() - looked)))

    def _tell_how(self) -> None:
        """Say what is followed, and how to operate it; every line can be pasted, and has no more than 80 columns."""
        buckets = "the images bucket" if len(self._buckets) == 1 else f"the buckets {', '.join(self._buckets)}"
        say(f"\nFollowing [bold]{escape(str(self._folder))}[/] and {buckets}; Ctrl-C ends.")
        settings = self._home / "local.env"
        settings.write_text(self._stack.shell_settings(ROOT / ".venv" / "bin"), encoding="utf-8")
        hints = [
            f"source {shlex.quote(min(str(settings.resolve()), os.path.relpath(settings), key=len))}",
            "skyledger status   # and every other command",
            *(f"aws s3 cp PHOTO s3://{bucket}/" for bucket in self._buckets),
        ]
        if len(self._buckets) > 1:
            hints.append("skyledger ingest   # what was there before")
        say("Operate it from another terminal:")
        say("".join(f"  {escape(hint)}\n" for hint in hints), style="dim")

    def _tell_change(self, done: Done) -> None:
        changed = [(len(done.uploaded), "uploaded"), (len(done.deleted), "deleted")]
        if any(count for count, _ in changed):
            say(clock() + ", ".join(f"{count:,} {what}" for count, what in changed if count))
        self._tell_suspicious(done)
        for name in done.skipped.keys() - self._skipped.keys():
            say(f"{clock()}not uploaded: {escape(name)}: {escape(done.skipped[name])}")
        self._skipped |= done.skipped

    def _tell_suspicious(self, done: Done) -> None:
        if done.suspicious:
            where = escape(str(self._folder))
            say(f"[yellow]{where} is empty, or cannot be read: nothing is deleted for that; waiting for files[/]")

    def _tell_version(self) -> None:
        before = self._published.warned
        self._download()
        say(f"{clock()}{len(self._published.rows)} rows, {len(self._published.warned)} with warnings")
        for key, warnings in self._published.warned.items():
            if before.get(key) != warnings:
                say(f"{clock()}  {escape(printable(key))}: {escape(printable(warnings))}")

    def _tell_refused(self, new: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Name what turned out to be no image, of objects that are new; give those that nobody has read yet."""
        known = self._stack.records(new)
        for (_, key), record in known.items():
            if "etag" not in record:
                say(f"{clock()}  {escape(printable(key))} has no row: {self._why(key, record)}")
        return new - known.keys()

    @contextmanager
    def _page(self) -> Iterator[str]:
        """Serve the page, and give its address."""
        store, photos = self._stack.export_store(), PhotoReader(self._stack.s3, set(self._buckets))
        server = page_server(store, photos)
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            server.server_close()

    @property
    def _own(self) -> str:
        return self._stack.deployment.images_bucket

    @property
    def _buckets(self) -> tuple[str, ...]:
        return self._stack.deployment.image_buckets
