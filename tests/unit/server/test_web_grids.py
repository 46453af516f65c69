"""Do the page and the server mean the same voxel?"""

import json

from web_grids import FIXTURE, grids


def test_the_page_is_tested_with_the_grids_that_the_server_tells():
    assert json.loads(FIXTURE.read_text()) == json.loads(json.dumps(grids())), (
        f"{FIXTURE.name} is out of date; write it anew with `python tests/web_grids.py`."
    )
