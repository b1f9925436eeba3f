"""One file a quantizer: ``quantize(job)``. Each is imported in the environment of its quantizer only."""
