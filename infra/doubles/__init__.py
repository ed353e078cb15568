"""Doubles: what tests, benchmarks and simulations put in the place of AWS and of its network."""
