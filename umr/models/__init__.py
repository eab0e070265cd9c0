"""Models by name: which are known, how they come onto this machine, whether they fit. Not their networks."""
