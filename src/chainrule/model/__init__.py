"""Models and traces on disk."""
