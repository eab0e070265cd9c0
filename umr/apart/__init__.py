"""Files of strangers decoded in processes of their own, which they cannot leave: how. Not of which formats."""
