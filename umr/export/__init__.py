"""Encoders given to other programs: as a folder of sentence-transformers, or as a repository of the Hub."""
