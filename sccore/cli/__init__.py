"""The command line, and what papermill needs."""
