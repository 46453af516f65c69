"""Answers without a prompt: a trained head on whole slices, from its files to the mask of each label.

`radsam.training` trains the head, `radsam.project` runs it for its cases; both need what is here, and neither imports
the other for it.
"""
