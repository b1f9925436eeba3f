"""Attacks that need no images: a generator makes the queries, and learns from the answers too. One file each."""
