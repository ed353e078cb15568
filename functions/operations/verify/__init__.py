"""Prove that tree, CSV, journal and table say the same.

(a) `ledger.check_tree`: every object that the root names exists and has the bytes that its name promises, its lines are
    in order, its counts are right, and it is cut where the rows alone say.
(b) `published.check_csv`: `image-data.csv` is header and rows of the root that it names.
(c) `ledger.compare_with_journal`: the live tree is what the journal gives.
(d) `table.compare_with_table`: the live tree is what the table holds.
"""
