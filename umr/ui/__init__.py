"""The page's behaviour: plain functions that take and return values. Gradio itself is met only in umr.ui.layout."""
