"""ASIQE: quality without the original, for screens."""
