"""Attacks: what a thief of a model gets, and how to tell whose answers a suspect has learnt."""
