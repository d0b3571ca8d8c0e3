"""Images, text masks and data sets: found, read and cropped."""
