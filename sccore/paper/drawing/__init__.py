"""How curves, pictures and diagrams are drawn; no table or figure of its own."""
