"""The benchmark: a simulated user, models behind one interface, and a report with intervals.

The user (`user.py`) knows the truth and no model; the models (`models/`) know the image, the
prompt and no truth. `score.py` lets the two talk.
"""
