"""The adapters that ship with aetherd; each is pure translation between a runtime and `aetherd.runtime`."""
