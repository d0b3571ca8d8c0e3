"""The paper's tables and figures, one file each, named as their notebooks."""
