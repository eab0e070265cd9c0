"""Examples to train on, from files of many kinds: what is asked, what answers it, what does not. Not batches."""
