"""Damaged answers and odd arguments, to every operator, sensor and trigger."""
