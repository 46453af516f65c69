"""Fetching series from a PACS and storing results in it, over DICOMweb or DIMSE.

``pacs_address.py`` reads URLs and ``pacs_credentials.py`` finds logins. ``pacs_server.py`` is the protocol of
a server, ``dicomweb.py`` and ``dimse.py`` implement it, and ``pacs_connection.py`` opens one of them.
``fetch_files.py`` fetches into a folder and ``store_files.py`` stores files; ``remote_series.py`` gives a program
the folder of a series, whose images ``series_cache.py`` holds. Import the modules.

The extra ``dicom`` brings the libraries. Patient data stay out of every message and log.
"""
