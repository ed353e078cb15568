"""Which function asks AWS for what in the tests, held against the roles of the template."""
