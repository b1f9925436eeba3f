"""Devices: what is on them, getting an artifact there and back, asking them, over the system's OpenSSH client."""
