"""The demo campaign: real texts that Django carries, simulated people, the real loop."""
