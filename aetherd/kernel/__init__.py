"""The rooms: one subsystem each, independent of its siblings."""
