"""What is around the functions: the local stack, benchmarks, and what stands in for AWS and for photos."""
