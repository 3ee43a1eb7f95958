"""Things that can be done: one definition, one door, every face derived."""
