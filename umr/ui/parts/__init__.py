"""Gradio parts that tabs share: the query bar, wiring, scripts. Not a tab, and not the frame (umr.ui.layout)."""
