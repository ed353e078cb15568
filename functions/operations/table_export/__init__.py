"""DynamoDB's export of the table to S3, and what the tree lacks beside it."""
