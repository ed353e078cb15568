"""At deployment: an empty system has an image-data.csv too, with the header alone, and the page beside it.

CloudFormation calls this as a custom resource (AWS, "Custom resource request objects"). It makes what is missing and
never publishes: where the root has rows, a CSV that is missing or behind is the exporter's, whose schedule publishes.

    Create, Update   the first root, if there is none; the CSV with its header alone, if there is none and the root has
                     no rows; the description, if there is none; the page's files, where they are missing or others
      the ledger is damaged,     a warning: it must not stop the upgrade that may mend it
      or has lost its root
      it was written by a        fails: CloudFormation goes back to the newer code, which is right
      newer Skyledger
      S3 refuses, or does        tried again while there is time. IAM is eventually consistent ("Changes that I make are
      not answer                 not always immediately visible", IAM User Guide, Troubleshoot IAM; it names no time,
                                 users see seconds): a role that was just made may be denied what it allows
    Delete           empties the bucket if a first deployment is rolled back (below); always succeeds, so that nothing
                     here can stop the deletion of a stack. A bucket that is not empty says so itself

The order in which CloudFormation makes the resources, and deletes them backwards (each names the one before it; the
exporter and the collector do so by DependsOn):

    ExportBucket, BootstrapRole; BootstrapFunction; Bootstrap; CsvExporter and Collector; their stream and schedules

So the first events meet a ledger that is there; and when Bootstrap is deleted nobody is called any more who writes to
the bucket. If the first deployment fails, ExportBucket is deleted (RetainExceptOnCreate), and S3 deletes empty buckets
only. (Abandoned uploads are in the way in directory buckets alone, says the API reference, AbortMultipartUpload; an
empty ledger has none.) What Bootstrap is told then:

    another resource failed after it     Delete with its PhysicalResourceId: the bucket is emptied
    its own Create failed                Delete with the id that the FAILED answer had (aws-cdk pull request 5525):
                                         likewise
    another resource failed meanwhile    Delete with an id that CloudFormation made up, while Create may still run
                                         (aws-cdk issue 26139, cloudformation-coverage-roadmap issue 1814): the bucket
                                         is emptied until the own time ends, which is after Create's
    the stack is deleted, later          Delete as in the first case; the bucket stays, with all data in it

It is emptied if and only if all in it is what a deployment puts there and no commit was ever made (version 0, no
rows), each object by the ETag that was listed, the root first: whoever commits just then changes the root's ETag, or
finds no root and makes one, and either way the rest stays.
"""

import json
import os
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from aws_lambda_powertools import Logger

from ledger.assemble import Moved, put
from ledger.csvw import DESCRIPTION_TYPE, describe
from ledger.errors import Damaged, LedgerError, ManifestLost, NotFound, Refused, Unavailable, Unknown
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import decode_root
from ledger.s3_store import S3Store
from operations.page.files import page_files, upload_page

T = TypeVar("T")

logger = Logger()
PHYSICAL_ID = "skyledger"
# A try is begun only with so much time left: it ends with its first request that fails, and the store gives one up
# after three waits of 23 s. What remains is for the answer.
TRY_SECONDS = 100.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 10.0
_ANSWER_SECONDS = 10
_REASON_CHARACTERS = 500  # the whole answer may have 4,096 bytes


def bootstrap(ledger: Ledger) -> int:
    """Create the empty root, the CSV and its description where they are missing; give the root's version.

    Raises:
        ManifestLost, Damaged, NewerFormat: there is a ledger, and it is not readable.
        Unavailable, Unknown: the store did not answer; call it again.
    """
    root, _ = ledger.load_root()
    ledger.store.put_new(DESCRIPTION_KEY, describe(root.columns), DESCRIPTION_TYPE)
    if not root.rows.rows:
        with suppress(Refused):  # there is one
            put(ledger, root, None, Moved())
    return root.version


def empty_bucket(ledger: Ledger) -> int:
    """Delete what a deployment put into the bucket, unless there is anything else; count what was deleted.

    Raises:
        Unavailable, Unknown: the store did not answer; call it again.
    """
    listed = {one.key: one.etag for one in ledger.store.list("")}
    if not listed.keys() <= _own_keys() or not _is_unused(ledger):
        return 0
    deleted = 0
    for key in sorted(listed, key=lambda key: key != ROOT_KEY):
        try:
            ledger.store.delete_if_match(key, listed[key])
        except NotFound:
            continue
        except Refused:  # somebody has just written it
            break
        deleted += 1
    return deleted


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a custom resource request; called without one (by hand), just do the work."""
    status, reason = "SUCCESS", ""
    try:
        ledger = Ledger(S3Store(os.environ["EXPORT_BUCKET"]))
        patience = _Patience(ledger, context)
        if event.get("RequestType") == "Delete":
            _delete(ledger, event.get("PhysicalResourceId", ""), patience)
        else:
            _create(ledger, patience)
    except Exception as error:
        logger.exception("bootstrap failed")
        if "ResponseURL" not in event:
            raise
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
    if "ResponseURL" in event:
        _answer(event, status, reason)
    return {"Status": status}


class _Patience:
    """Calls again what failed for passing trouble, while there is time for one more try."""

    def __init__(self, ledger: Ledger, context: Any) -> None:
        self._sleep, self._context = ledger.sleep, context
        self._pause = _FIRST_PAUSE_SECONDS

    def wait(self) -> bool:
        """Wait a while before one more try; False, and at once, if there is no time for it."""
        left = self._context.get_remaining_time_in_millis() / 1000 if self._context else 0.0
        if left < self._pause + TRY_SECONDS:
            return False
        self._sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        return True

    def call(self, action: Callable[[], T]) -> T:
        """Call the action until it is done."""
        while True:
            try:
                return action()
            except (Unavailable, Unknown) as error:
                logger.warning("S3 refused or did not answer", error=str(error))
                if not self.wait():
                    raise


def _create(ledger: Ledger, patience: _Patience) -> None:
    version = None
    try:
        version = patience.call(lambda: bootstrap(ledger))
    except (Damaged, ManifestLost) as error:
        logger.warning("the ledger needs an operator", error=f"{type(error).__name__}: {error}")
    files = patience.call(lambda: upload_page(ledger.store))
    logger.info("deployed", version=version, page_files_written=files)


def _delete(ledger: Ledger, physical_id: str, patience: _Patience) -> None:
    try:
        deleted = patience.call(lambda: empty_bucket(ledger))
        # An id that no answer of ours had: Create may still be running, and what it writes is deleted as well.
        while physical_id != PHYSICAL_ID and patience.wait():
            deleted += patience.call(lambda: empty_bucket(ledger))
        logger.info("deleted what the deployment had made", objects=deleted)
    except LedgerError as error:
        logger.warning("the bucket is left as it is", error=f"{type(error).__name__}: {error}")


def _own_keys() -> set[str]:
    return {ROOT_KEY, CSV_KEY, DESCRIPTION_KEY, *(key for key, _ in page_files())}


def _is_unused(ledger: Ledger) -> bool:
    """Say whether no commit was ever made, as far as root and CSV tell, if they are there."""
    try:
        root = decode_root(ledger.store.get(ROOT_KEY).body)
    except NotFound:
        root = None
    if root is not None and (root.version or root.rows.rows):
        return False
    csv = ledger.present_csv()
    return csv is None or csv.metadata.get("rows") == "0"


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    body = {
        "Status": status,
        "Reason": reason[:_REASON_CHARACTERS] or "done",
        "PhysicalResourceId": event.get("PhysicalResourceId", PHYSICAL_ID),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    # CloudFormation's presigned URL wants no content type.
    request = urllib.request.Request(event["ResponseURL"], content, {"Content-Type": ""}, method="PUT")
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):
        pass
