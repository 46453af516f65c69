"""Whole archives: a manifest with a row per object becomes masks, a table of results and a contact sheet.

    manifest ─plan→ volumes with their rows ─engine→ work on one volume ─results→ files ─run→ table, contact sheet

Every engine runs the same function, `radsam.batch.volume_work.segment_volume`. The output folder holds all
progress, so a run continues any earlier one, also with another engine.
"""
