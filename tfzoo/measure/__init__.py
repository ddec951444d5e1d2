"""Measurements: accuracy against annotations, time, and both beside the reported figures."""
