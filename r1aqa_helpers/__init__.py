"""Helpers for the R1-AQA course."""
