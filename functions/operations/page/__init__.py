"""The page that shows the CSV on a map, and its server on this machine."""
