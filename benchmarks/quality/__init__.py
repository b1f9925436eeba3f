"""What `defense_quality.py` measures, a file for each claim; `tests/reference` checks the same claims on less."""
