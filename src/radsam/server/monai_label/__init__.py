"""MONAI Label's REST interface: the part that the clients of 3D Slicer and OHIF use to segment and to save labels.

Every request carries all points of an object; new ones become edits of the user's session on that volume
(`infer_request.py`). Voxels are (i, j, k) of the file as stored.
"""
