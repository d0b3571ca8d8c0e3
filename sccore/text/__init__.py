"""Text detectors, and the masks that they make of screens."""
