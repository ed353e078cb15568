"""Which format an image file has, by its bytes, and the walk through it to its blocks of metadata."""
