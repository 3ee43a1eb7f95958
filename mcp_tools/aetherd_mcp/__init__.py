"""The MCP face: what agents see of aetherd, and the relay that brings them there."""
