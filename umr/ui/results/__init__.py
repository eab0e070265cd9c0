"""A list of results, its sheet of details, and what was asked for it: of every tab that has one."""
