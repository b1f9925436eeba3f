"""Defenses: maps from logits to answers, each written once against :class:`edgeguard.defenses.ops.Ops`."""
