"""Export: from a trained network to a defended artifact. Needs the extra ``export`` (torch, onnx)."""
