"""The composition root: the only code that sees every room."""
