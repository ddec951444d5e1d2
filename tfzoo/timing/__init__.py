"""How fast a model is: milliseconds an image, measured in a process of its own."""
