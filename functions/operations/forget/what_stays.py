"""What stays of a forgotten image, where, and for how long: where this command does not reach, or must not."""

from datetime import timedelta

# After that no event of the stream comes that is not in the bucket: the stream keeps records for 24 hours (API
# reference, TrimmedDataAccessException: older ones are "subject to removal"), a younger one that is given up lies under
# aws/lambda/ whole; and one hour for invocations and clocks.
SETTLED = timedelta(hours=25)

_STAYS = (
    ("export bucket", "ingested_at, etag and revisions of each life, in journal and proof", "for ever"),
    (
        "export bucket",
        "the photo's name, where events or a warning of another image have it",
        "until that is forgotten",
    ),
    ("export bucket", "ingested_at and etag in pages, roots and the removals tree", "some days, until collected"),
    ("export bucket, if you switched versioning on", "what was erased, as versions", "until you delete these"),
    ("export bucket", "parts of unfinished uploads", "a day or two, by lifecycle rule"),
    ("stream of the Images table", "events with all values", "24 hours"),
    # Amazon DynamoDB API reference, PointInTimeRecoveryDescription
    ("point-in-time recovery of the tables", "items with all values", "35 days"),
    ("Objects table", "bucket and key of the photo, as a tombstone", "30 days, and until DynamoDB clears it away"),
    ("images bucket", "the photo, if a version, a replica or a backup of it is left", "until you delete it"),
    ("queues and dead-letter queues of the images", "bucket, key and etag of the photo", "4 to 14 days"),
    ("functions that are running", "shards in memory", "until they are ended, some hours"),
    ("logs", "bucket, key and etag of the photo", "LogRetentionDays; S3's own logs as you keep them"),
    ("CloudFront, if it is switched on", "shards (image-data.csv is not kept there)", "a day"),
    ("readers", "copies by pull, and what was made of them", "until they pull again; other copies for ever"),
    ("operators' machines", "work folders of interrupted commands (--work)", "until they are deleted"),
)


def stays() -> list[dict[str, str]]:
    """Say what stays where, and until when."""
    return [{"where": where, "what": what, "until": until} for where, what, until in _STAYS]
