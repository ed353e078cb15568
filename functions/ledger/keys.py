"""Every key and prefix of the export bucket: no other module spells one (`functions/README.md` tells what they hold).

Roles, lifecycle rules and the page's policy name the same prefixes in `template.yaml`; a test compares them.
"""

import re

ROOT_KEY = "manifest.json"
CSV_KEY = "image-data.csv"
DESCRIPTION_KEY = f"{CSV_KEY}-metadata.json"
COLLECTING_KEY = "collecting.json"
FORGETTING_KEY = "forgetting.json"
LAST_CHECK_KEY = "bucket-check.json"
PAGE_INDEX_KEY = "index.html"
PAGE_CONFIG_KEY = "page/config.json"
SYMLINKS_KEY = "engines/shards/list.txt"  # alone in its folder: Hive takes all that lies there for lists
COPY_MANIFEST_KEY = "engines/redshift.json"

ROOT_COPIES = "roots/"
PAGES = "manifest/"
SHARDS = "shards/"
JOURNAL = "journal/"
PENDING = "pending/"
LEADING = "leading/"
PUBLISHING = "publishing/"
QUARANTINE = "quarantine/"
SNAPSHOTS = "snapshots/"
FORGOTTEN = "forgotten/"
FAILED_BATCHES = "aws/lambda/"  # Lambda chooses what follows: mapping, shard, date
REPLAYS = "replay/"
BUCKET_CHECKS = "bucket-check/"
TABLE_EXPORTS = "table-exports/"  # DynamoDB chooses what follows
PAGE_FILES = "page/"
ENGINES = "engines/"

# What the commit id of a root begins with that was swapped in (`operations.live.root`): so its copy's key says that.
# No digit of other ids, which are hexadecimal; letters only, as everywhere in a root's name.
SWAPPED_IN = "swapped"

_NAMED_BY_CONTENT = re.compile(rf"{PAGES}[0-9a-f]{{64}}\.json|{SHARDS}[0-9a-f]{{64}}\.csv(?:\.gz)?")
_ROOT_COPY = re.compile(rf"{ROOT_COPIES}(\d+)-[^/]+\.json")
_SHARD, _PACKED = ".csv", ".gz"
_SEGMENT_SUFFIX = f".jsonl{_PACKED}"
_SEGMENT = re.compile(rf"{JOURNAL}date=[^/]+/hour=[^/]+/[^/]+-[0-9a-f]{{20}}{re.escape(_SEGMENT_SUFFIX)}")


def shard_key(digest: str) -> str:
    """Give the key of a shard, by the hash of its plain lines."""
    return f"{SHARDS}{digest}{_SHARD}{_PACKED}"


def shard_digest(key: str) -> str:
    """Give the hash of the shard with this key."""
    return key.removeprefix(SHARDS).removesuffix(_PACKED).removesuffix(_SHARD)


def plain_key(shard: str) -> str:
    """Give the key under which an older version wrote a shard, uncompressed, by the shard's key."""
    return shard.removesuffix(_PACKED)


def packed_key(key: str) -> str:
    """Give the key of a shard by that under which an older version wrote it; any other key as it is."""
    return key + _PACKED if key.startswith(SHARDS) and key.endswith(_SHARD) else key


def page_key(digest: str) -> str:
    """Give the key of a page."""
    return f"{PAGES}{digest}.json"


def is_named_by_content(key: str) -> bool:
    """Say whether it is the key of a shard or of a page."""
    return _NAMED_BY_CONTENT.fullmatch(key) is not None


def traces() -> tuple[str, ...]:
    """Give the prefixes under which a ledger that lost its root still shows, by keys that only a ledger writes."""
    return ROOT_COPIES, PAGES, SHARDS, f"{JOURNAL}date="


def is_of_a_ledger(key: str) -> bool:
    """Say whether only a ledger writes such a key: of a shard, a page, a root's copy or a segment."""
    return any(pattern.fullmatch(key) for pattern in (_NAMED_BY_CONTENT, _ROOT_COPY, _SEGMENT))


def root_copy_key(name: str) -> str:
    """Give the key of a root's immutable copy, by the root's name `<version>-<commit_id>`."""
    return f"{ROOT_COPIES}{name}.json"


def root_copies_of(version: int) -> str:
    """Give the prefix of the copies of all roots of a version, those of attempts that lost included."""
    return f"{ROOT_COPIES}{version}-"


def version_of_copy(key: str) -> int | None:
    """Give the version of the root that a copy's key names; None if it is no such key."""
    match = _ROOT_COPY.fullmatch(key)
    return int(match[1]) if match else None


def name_of_copy(key: str) -> str:
    """Give the name of the root whose copy has this key."""
    return key.removeprefix(ROOT_COPIES).removesuffix(".json")


def is_swapped_in(key: str) -> bool:
    """Say whether the copy with this key is of a root that was swapped in: of a rebuilt tree, or an old one."""
    return name_of_copy(key).partition("-")[2].startswith(SWAPPED_IN)


def segment_key(name: str) -> str:
    """Give the key of a segment of the journal."""
    return f"{JOURNAL}{name}{_SEGMENT_SUFFIX}"


def segment_name(key: str) -> str:
    """Give the name of the segment with this key."""
    return key.removeprefix(JOURNAL).removesuffix(_SEGMENT_SUFFIX)


def pending_key(segment: str) -> str:
    """Give the key under which a segment's changes wait to be merged."""
    return f"{PENDING}{segment}"


def leading_key(root: str) -> str:
    """Give the key of the claim to lead on the root of this name."""
    return f"{LEADING}{root}"


def publishing_key(present: str) -> str:
    """Give the key of the claim to replace the present CSV, named by its root or, failing that, its ETag."""
    return f"{PUBLISHING}{present}"


def snapshot_key(name: str) -> str:
    """Give the key of a snapshot."""
    return f"{SNAPSHOTS}{name}.json"


def proof_key(name: str) -> str:
    """Give the key of the proof that images were forgotten."""
    return f"{FORGOTTEN}{name}.json"


def snapshot_name(key: str) -> str:
    """Give the name of the snapshot with this key."""
    return key.removeprefix(SNAPSHOTS).removesuffix(".json")
