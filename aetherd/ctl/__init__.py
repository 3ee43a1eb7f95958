"""`aetherctl`: a client. It knows the catalogue, never the kernel, and starts fast."""
