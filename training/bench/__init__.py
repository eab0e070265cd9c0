"""Measurements of training that are commands of their own. Not those of serving (umr.bench), no tests."""
