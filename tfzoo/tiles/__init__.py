"""Large images in tiles, so that what is small in them is seen as large as a model needs it."""
