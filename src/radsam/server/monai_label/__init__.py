"""MONAI Label's REST interface, as far as the clients of 3D Slicer and OHIF use it to segment and to save labels.

Clicks come whole with every request; what is new among them becomes edits of the user's session on that volume
(`asked.py`). Voxels are (i, j, k) of the file as stored.
"""
