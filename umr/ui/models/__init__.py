"""What a model is, for whoever looks at its results: read from its folder, told as a card and side by side."""
