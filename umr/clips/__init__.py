"""Clips decoded in worker processes that a stranger's file cannot bring down. Not pictures (umr.media)."""
