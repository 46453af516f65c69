"""The CVPR 2025 challenge "Foundation Models for Interactive 3D Biomedical Image Segmentation".

Written from its public description (codabench.org/competitions/5263 and the README of
github.com/JunMa11/CVPR-MedSegFMCompetition). `npz.py` knows the files, `predict.py` answers them
without knowing the truth, as a submission does, and `play.py` is the other side: it clicks and
scores as the challenge does.
"""
