"""nnInteractive's remote protocol (version 2): its front ends work with `radsam serve`.

A program claims a lease, sends an image and adds interactions; after each it gets the part of the mask that changed.
Axes are those of the array, (z, y, x) = (k, j, i). `interactions.py` maps interactions to prompts and corrections.
"""
