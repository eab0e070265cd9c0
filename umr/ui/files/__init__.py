"""The tab Your files: a visitor's own collections, what the tab does (actions), its HTML, its components (layout)."""
