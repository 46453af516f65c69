"""Series of a PACS as cases: found, filtered, and without the patient."""

from __future__ import annotations

import pytest

from pacs_servers import PATIENT_ID, SERIES, STUDY, DimsePacs, WebPacs
from radsam.errors import PacsRequestError
from radsam.io.pacs.image_series import list_image_series
from radsam.project.case_list import find_cases
from radsam.project.case_source import read_case_volume
from radsam.volume import Modality


def test_series_are_found_from_the_server_the_study_and_the_series(web: WebPacs) -> None:
    for url in (web.url, f"{web.url}/studies/{STUDY}", web.series):
        (found,) = list_image_series(url)
        assert (found.modality, found.patient_id) == (Modality.CT, PATIENT_ID)
        assert found.url.endswith(f"/studies/{STUDY}/series/{SERIES}")


def test_series_are_found_over_dimse(dimse: DimsePacs) -> None:
    (found,) = list_image_series(dimse.url)
    assert found.url.endswith(SERIES)


def test_series_of_another_modality_are_left_out(web: WebPacs) -> None:
    assert list_image_series(web.url, modality=Modality.MR) == []
    with pytest.raises(PacsRequestError, match="one image"):
        list_image_series(f"{web.series}/instances/1.2.3")


def test_cases_of_a_pacs_have_numbers_for_names_and_can_be_read(web: WebPacs) -> None:
    (case,) = find_cases(web.url).cases
    assert (case.id, case.patient) == ("case-001", "patient-001")
    assert PATIENT_ID not in repr(case)
    assert read_case_volume(case).source == case.source
