"""Blocks of metadata to named values: Exif with maker notes, XMP, IPTC, and their texts and numbers."""
