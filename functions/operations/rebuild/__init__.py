"""Build a tree from the journal, or from an export, in bounded memory and in steps that can be repeated."""
