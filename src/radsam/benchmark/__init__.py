"""The benchmark: a simulated user, models behind one interface, and a report with intervals.

The user (`simulated_user.py`) has the truth and no model; the models (`models/`) get the image and the
prompt, never the truth. `interaction.py` passes prompts, corrections and masks between the two.
"""
