"""Peers, for comparison only: defenses that need a second network, gradients or state, around float networks."""
