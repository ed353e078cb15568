"""The images buckets as they are, against what the tables know of them.

An event may be lost, and an object may be older than the stack. So the proof begins at the objects: what S3 lists
(`listing`, or `inventory`) and the records of an export of `Objects` (`known`) are lines of one form (`lines`), both
sorted, and compared as streams (`compare`) for the buckets and prefixes that are sources (`sources`). Of what differs
`ingest` sends what is missing or stale to the lane (`lane`); `check` looks at each once more (`recheck`), goes on from
the records to the rows of the CSV (`rows`), and tells or repairs what is left.
"""
