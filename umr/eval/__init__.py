"""Measuring encoders on a benchmark, what is stored of it, and what it explains. Not the page's tables."""
