"""`python -m umr`: the grammar of the command line and its commands. The work itself is elsewhere."""
