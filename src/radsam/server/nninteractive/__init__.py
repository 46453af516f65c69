"""nnInteractive's remote protocol (version 2), so that its front ends work against `radsam serve`.

A program claims a lease, sends an image, and adds interactions; after each it gets the part of the mask that
changed. Axes are those of the array, (z, y, x) = (k, j, i). What an interaction means to us: `drawing.py`.
"""
