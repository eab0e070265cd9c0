"""The rendered world as training data: its steps, the codes of its scenes, its words for a tokenizer. See source.py."""
