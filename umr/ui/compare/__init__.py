"""The Compare tab: what it does (actions), its HTML, its components and wiring (layout)."""
