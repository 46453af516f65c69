"""The CVPR 2025 challenge "Foundation Models for Interactive 3D Biomedical Image Segmentation".

Written from its public description (codabench.org/competitions/5263 and the README of
github.com/JunMa11/CVPR-MedSegFMCompetition). `challenge_case.py` reads and writes its files,
`challenge_prediction.py` segments them without the truth, as a submission does, and
`challenge_evaluation.py` clicks and scores as the challenge's evaluation does.
"""
