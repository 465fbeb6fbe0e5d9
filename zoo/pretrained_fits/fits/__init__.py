"""Files of the pretrained fits: the tensors, NAME.safetensors, and the card of each, NAME.json."""
