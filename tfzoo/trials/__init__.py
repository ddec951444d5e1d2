"""Runtimes tried side by side: do they find the same, and what does each cost?"""
