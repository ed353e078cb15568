"""Named values to the attributes of a table item: each from the best of its sources, cut to what an item can hold."""
