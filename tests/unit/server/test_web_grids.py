"""The page and the server agree on the position of each voxel."""

import json

from web_grids import FIXTURE, grids


def test_the_page_is_tested_with_the_grids_of_the_server():
    assert json.loads(FIXTURE.read_text()) == json.loads(json.dumps(grids())), (
        f"{FIXTURE.name} is out of date; rewrite it with `python tests/web_grids.py`."
    )
