"""Zips of strangers, opened in a process of its own: which members there are, and their bytes. Not which are taken."""
