"""A drone survey that never was: its photos, and the items, stream records and tables that come of them."""
