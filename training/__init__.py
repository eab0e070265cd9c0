"""Makes the encoders that umr serves: the rendered catalogue, the losses, the recipes and the training loop."""
