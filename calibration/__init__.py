"""Calibration: from images to the ranges of activations.

Nothing here needs onnx or torch: a set is a stream of inputs, and collecting runs a model through ONNX Runtime.
"""
