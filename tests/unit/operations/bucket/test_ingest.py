"""What is in the bucket and not in the ledger is counted, sent once, and what an interruption left is sent later."""
