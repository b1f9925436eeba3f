"""Quantizing to int8: edgeguard beside other quantizers. What ``int8_peers.py`` is made of."""
