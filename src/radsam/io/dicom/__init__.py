"""Read and write DICOM series, SEG and RTSTRUCT.

Images, in the order of the data: `dicom_input` (folder, zip or file), `slice_header` (one file or frame),
`dicom_series` (which series), `slice_stack` (one grid, or why not), `pixel_decoding`, `slice_resampling` on request.
Labels in: `seg_read` and `rtstruct_read` say where each object lies, `dicom_labels` makes a label map of them.
Labels out: `source_series` (the images they refer to), `derived_object` (what every object has in common),
`seg_write`, `rtstruct_write`; `organ_codes` has the SNOMED CT codes, `polygons` turns masks into contours and back.
"""
