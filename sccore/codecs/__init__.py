"""All codecs, learned and classical, and the files that they write."""
