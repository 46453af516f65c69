"""Promptable 3D segmentation of radiological images from one prompt on one slice."""
