"""Pixels in: one image, many of them from files and addresses, frames of a video, in order."""
