"""One linear history for all rooms."""
