"""Measuring: rate, quality and text of coded images, and the records that keep it."""
