"""CsvExporter: the function around the ledger, from stream records to a published CSV."""
