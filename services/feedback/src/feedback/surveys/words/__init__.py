"""One module for each language, and the shape that all have."""
