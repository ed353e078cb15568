"""At deployment: an empty system has an image-data.csv too, with the header alone, and the page beside it.

CloudFormation calls this as a custom resource. It makes what is missing and
never publishes: where the root has rows, a CSV that is missing or behind is the exporter's, whose schedule publishes.

    Create, Update   the first root, if there is none; the CSV with its header alone, if there is none and the root has
                     no rows; the description, if there is none; the page's files, where they are missing or others
      the ledger is damaged,     a warning: it must not stop the upgrade that may mend it
      or has lost its root
      it was written by a        fails: CloudFormation goes back to the newer code, which is right
      newer Skyledger
      S3 refuses, or does        tried again while there is time (`custom_resource.py`)
      not answer
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

import os
from contextlib import suppress
from typing import Any

from aws_lambda_powertools import Logger

from ledger.assemble import Moved, put
from ledger.csvw import DESCRIPTION_TYPE, describe
from ledger.errors import Damaged, LedgerError, ManifestLost, NotFound, Refused, Unavailable, Unknown
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import decode_root
from ledger.s3_store import S3Store
from operations.custom_resource import Patience, answered
from operations.page.files import page_files, upload_page

logger = Logger()
PHYSICAL_ID = "skyledger"


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

    def work() -> None:
        ledger = Ledger(S3Store(os.environ["EXPORT_BUCKET"]), makes_first_root=True)
        patience = Patience(context, ledger.sleep, Unavailable, Unknown)
        if event.get("RequestType") == "Delete":
            _delete(ledger, event.get("PhysicalResourceId", ""), patience)
        else:
            _create(ledger, patience)

    return answered(event, PHYSICAL_ID, work)


def _create(ledger: Ledger, patience: Patience) -> None:
    version = None
    try:
        version = patience.call(lambda: bootstrap(ledger))
    except (Damaged, ManifestLost) as error:
        logger.warning("the ledger needs an operator", error=f"{type(error).__name__}: {error}")
    files = patience.call(lambda: upload_page(ledger.store))
    logger.info("deployed", version=version, page_files_written=files)


def _delete(ledger: Ledger, physical_id: str, patience: Patience) -> None:
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
