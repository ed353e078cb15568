"""What changes the live root, or looks after it, beside the exporter."""
