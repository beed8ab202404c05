"""Learning a model from data."""
