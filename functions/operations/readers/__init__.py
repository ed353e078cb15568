"""Copies of the CSV for people and other programs."""
