"""From an export to a form that a runtime likes, and the choice of a runtime."""
