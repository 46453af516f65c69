"""The page and the server agree on the position of each voxel, and on the voxels of each stroke."""

import json
from types import ModuleType

import pytest

import web_grids
import web_strokes


@pytest.mark.parametrize(("module", "made"), [(web_grids, web_grids.grids), (web_strokes, web_strokes.strokes)])
def test_the_page_is_tested_with_the_grids_and_strokes_of_the_server(module: ModuleType, made):
    assert json.loads(module.FIXTURE.read_text()) == json.loads(json.dumps(made())), (
        f"{module.FIXTURE.name} is out of date; rewrite it with `python tests/{module.__name__}.py`."
    )
