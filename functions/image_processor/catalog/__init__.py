"""Facts about objects into the tables `Images` and `Objects`: what they change, and the transactions that change it."""
