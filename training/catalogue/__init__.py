"""The rendered home-goods catalogue: scenes, pixels, words, edits, splits and the files of its benchmark."""
