"""The ledger: a content-addressed tree in one bucket, its commits, its journal, and the CSV that it publishes.

It knows nobody: whoever uses it imports it, and it imports none of them. `functions/README.md` tells the design.
"""

from ledger.commit import Report, commit, commit_batch
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.publish import Published, publish
from ledger.s3_store import S3Store
from ledger.store import Store

__all__ = [
    "Ledger",
    "LedgerError",
    "Published",
    "Report",
    "Root",
    "S3Store",
    "Store",
    "commit",
    "commit_batch",
    "publish",
]
