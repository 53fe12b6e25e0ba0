"""Wiring: settings, queues, addresses, and the processes of one machine."""
