"""A run's pictures and what was found in them, as a page to look through."""
