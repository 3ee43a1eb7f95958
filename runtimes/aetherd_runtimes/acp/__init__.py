"""The bridge to agents that speak the Agent Client Protocol (docs/adr/0019-bridges.md): standard library only."""
