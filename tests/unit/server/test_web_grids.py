"""The page and the server put each voxel at the same place."""

import json

from web_grids import FIXTURE, grids


def test_the_page_is_tested_with_the_grids_that_the_server_sends():
    assert json.loads(FIXTURE.read_text()) == json.loads(json.dumps(grids())), (
        f"{FIXTURE.name} is out of date; rewrite it with `python tests/web_grids.py`."
    )
