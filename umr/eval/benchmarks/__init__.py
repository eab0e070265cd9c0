"""Published benchmarks in their makers' own layouts: one reader each, one way to measure them all."""
