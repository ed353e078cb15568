"""The bytes of one object, by ranges: a cache of them, a file on it, and the directories of TIFF structures."""
