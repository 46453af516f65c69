"""Labelled volumes to test, train and measure on. No torch."""
