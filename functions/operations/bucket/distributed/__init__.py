"""A check of the buckets, or an ingest, on as many machines as there are ranges of names (`infra/bucket.asl.yaml`)."""
