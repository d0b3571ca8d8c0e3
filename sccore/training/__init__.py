"""Recipes, the training loop, and the planned runs behind every table."""
