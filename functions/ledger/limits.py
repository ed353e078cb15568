"""What a function may take: seconds of an invocation, and bytes of memory, which are parts of what Lambda gives it.

At its fullest a leader holds what it takes along, a slice as it was and as it becomes, and its cache; a publisher
holds what it uploads next, read and joined, and its cache: at most three eighths of the memory either way. The rest is
for the batch itself (6 MB of JSON at most, ten times that as objects), Python, the SDK and its buffers.
"""

import os

# The exporter's timeout (template.yaml; a test compares them). Whatever an invocation left that is older belongs to
# nobody who lives: a claim, or changes that wait. How large a CSV can be published follows from it (README, Limits).
INVOCATION_SECONDS = 900.0

# Who is no function says what there is for a commit, or a publish.
MEMORY = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or os.environ.get("SKYLEDGER_MEMORY_MB", "512")) << 20
# Shards and pages that a warm function keeps: the tail, and what batches touch often.
CACHE_BYTES = MEMORY // 16
# Shards of one slice.
SLICE_BYTES = MEMORY * 3 // 32
# Changes of others that a leader takes along.
TAKE_BYTES = MEMORY // 8
# Bytes that a publisher uploads at once.
UPLOAD_BYTES = MEMORY // 8
