"""The page as Gradio components and their wiring: one file for the frame, one per tab. No behaviour of its own."""
