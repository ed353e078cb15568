"""Drive a rebuild, on this machine or on many, and do with the tree what it was rebuilt for."""
