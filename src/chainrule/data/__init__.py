"""Turns any X and y into rows of numbers, without a copy if possible."""
