"""What was found in an image: the type, its labels, masks and pictures."""
