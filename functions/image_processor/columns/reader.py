"""The version of this reader: which photo's metadata becomes which attributes. Every row names the one that made it."""

READER = 2
"""Goes up by one whenever the reader makes something else of some photo: `skyledger reread --older` then knows which
rows an older reader made. A test keeps what this version makes of many photos, and says when it has to go up."""
