"""The C11 runtime that is compiled into every library, and the Python loader."""
