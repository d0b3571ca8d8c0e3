"""Rendered pages whose words are known."""
