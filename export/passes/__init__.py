"""Export passes: small rewrites of an ONNX graph, each with its guards."""
