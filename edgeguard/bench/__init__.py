"""Measuring what an artifact costs: interleaved, over fresh processes, with a verdict on the measurement itself.

Importing this package imports none of its modules: worker processes start from here, often.
"""
