"""How each provider is spoken to: what is asked of it in its own words, and its stream as the loop's blocks."""
