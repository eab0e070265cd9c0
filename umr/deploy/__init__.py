"""Putting the page on a Hugging Face Space: what goes there, for which hardware, and the way. Not the page itself."""
