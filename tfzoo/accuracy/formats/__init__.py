"""Annotations in the formats that people have: a reader each, all into one kind of ground truth."""
