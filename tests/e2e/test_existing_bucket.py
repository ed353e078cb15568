"""Buckets that were there before the stack: followed by EventBridge, beside the stack's own."""
