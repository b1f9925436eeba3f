"""Evaluation: many thefts, each a pure function of its cell, cached, resumed, and run side by side."""
