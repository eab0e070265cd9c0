"""Measurements of the running product: latency, page, load, and the README's tables and pictures."""
