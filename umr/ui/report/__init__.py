"""A report of two models to take away: one HTML file that holds all of itself. From stored reports, without weights."""
