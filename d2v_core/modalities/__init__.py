"""Image, audio and text: from input tensors to tokens."""
