"""Models tried on images without labels: how fast each is here, and how far they agree."""
