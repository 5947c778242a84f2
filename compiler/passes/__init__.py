"""Graph rewrites, one a file, each named by its equation."""
