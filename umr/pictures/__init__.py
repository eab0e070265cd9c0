"""A picture's file to pixels: here (decode), or in a process of its own (decoder asks, reader answers)."""
