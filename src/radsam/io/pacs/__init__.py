"""Fetching series from a PACS and storing results in it, over DICOMweb or DIMSE.

``address.py`` reads URLs, ``credentials.py`` finds logins, ``server.py`` says what a server
can be asked and ``connect`` opens one; ``dicomweb.py`` and ``dimse.py`` are the two answers.
``get.py`` fetches into a folder, ``put.py`` stores files, ``lend.py`` lends a series to a
program that wants a folder and ``kept.py`` keeps its images. Import the modules.

The extra ``dicom`` brings the libraries. Patient data stay out of every message and log.
"""
