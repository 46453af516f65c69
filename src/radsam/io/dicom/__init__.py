"""DICOM series, SEG and RTSTRUCT: reading and writing.

Images, in the order of the data: `dicom_input` (folder, zip or file), `slice_header` (one file or frame),
`dicom_series` (which series), `slice_stack` (their grid, or why they have none), `pixel_decoding`, `slice_resampling`.
Labels in: `seg_read` and `rtstruct_read` locate each object, `dicom_labels` makes a label map of them.
Labels out: `source_series` (the images they refer to), `derived_object` (what every object has in common),
`seg_write`, `rtstruct_write`; `organ_codes` has the SNOMED CT codes, `polygons` turns masks into contours and back.
"""
