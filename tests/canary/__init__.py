"""Canaries: secrets that a test finds again wherever they leak to, in any encoding."""
