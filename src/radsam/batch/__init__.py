"""Whole archives: a manifest with a row per object becomes masks, one table and a page to review by eye.

    manifest ─plan→ volumes with their rows ─engine→ work on one volume ─results→ parts ─run→ table, contact sheet

Every engine runs the same function, `radsam.batch.volume_work.segment_volume`; what it has done is in the
output folder, not in the engine, so any run goes on from any other.
"""
