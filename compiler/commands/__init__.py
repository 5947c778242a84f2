"""The verbs of the command line, one a file: each parses its flags, calls the API and prints what came back."""
