"""Forget images for good: search every place of the export bucket, take them out, search again, leave a proof."""
