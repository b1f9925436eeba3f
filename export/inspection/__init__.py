"""Per layer: what a deployed network computes in, and how far from the float network that is."""
