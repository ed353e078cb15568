"""Benchmarks: each module has `main(argv)`, prints a table, and as its last line one JSON object."""
