"""An index on disk, bound to its encoder: vectors, manifest, shards, probe. Not search by content (umr.search)."""
