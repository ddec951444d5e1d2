"""The whole table: each model fetched, evaluated, timed and judged, row by row."""
