"""Fetching series from a PACS and storing results in it, over DICOMweb or DIMSE.

`pacs_address` parses URLs, `pacs_credentials` finds logins, `pacs_connection` connects. `dicomweb` and `dimse`
implement one protocol, `PacsServer`, under one `RetryPolicy`. `fetch_files` fetches into a folder, `store_files` stores
files, `remote_series` fetches a series into a temporary folder through `series_cache`. Import the modules.

The extra ``dicom`` installs the libraries. Patient data stay out of every message and log.
"""
