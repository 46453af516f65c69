"""nnInteractive's original client with our server: whole segmentations, and refused requests."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fakes import fake_session
from front_ends import TOKEN, Listening, command_line_mask, listening
from radsam.data.adapters.phantom import make_phantom
from radsam.errors import InputError
from radsam.server.nninteractive.drawn_prompts import lassos_of, scribbles_of
from radsam.server.nninteractive.nninteractive_routes import BoxRequest
from radsam.server.nninteractive.packed_arrays import parse_header, unpack, volume_from_array
from radsam.server.server_errors import TooLargeError
from radsam.server.server_limits import Limits
from radsam.session import Session
from radsam.volume import Box, Geometry, Point, SliceGrid

remote = pytest.importorskip("nnInteractive.inference.remote", reason="nninteractive-client is not installed")
from nnInteractive.inference.remote.serialization import pack_array, unpack_array  # noqa: E402

# A client whose constructor fails does not close its connection.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Client = remote.nnInteractiveRemoteInferenceSession

#: On the right ball: z, y, x, half-open, as napari sends them.
BOX = [[13.0, 14.0], [7.0, 21.0], [3.0, 16.0]]
BOX_OF_CLI = ("--slice", 13, "--box", 3, 7, 15, 20)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("nninteractive"), limits=Limits(leases=2)) as it:
        yield it


@pytest.fixture
def client(web: Listening) -> Iterator[Client]:
    with Client(web.url) as it:
        begin(it, web)
        yield it


def begin(client: Client, web: Listening) -> None:
    image = web.scene.volume.values[None].astype(np.float32)
    client.set_image(image, {"spacing": np.array([1.0, 1.0, 1.0])})
    client.set_target_buffer(np.zeros(image.shape[1:], np.uint8))


def engine(web: Listening) -> Session:
    """The same edits without a server."""
    return fake_session(web.scene.volume)


def as_engine(client: Client, session: Session) -> None:
    np.testing.assert_array_equal(client.target_buffer > 0, session.mask("object", whole=True))


PROMPT = Box(k=13, i0=3, j0=7, i1=15, j1=20)


def test_masks_of_the_original_client_equal_the_engines_and_every_level_is_undone(
    web: Listening, client: Client, tmp_path: Path
) -> None:
    assert client.ping()
    assert client.supports_undo
    assert len(client.preferred_scribble_thickness) == 3
    changed = client.add_bbox_interaction(BOX, True)
    assert changed is not None
    np.testing.assert_array_equal(client.target_buffer > 0, command_line_mask(web.path, tmp_path, *BOX_OF_CLI))

    session, levels = engine(web), [np.zeros_like(client.target_buffer)]
    session.segment(PROMPT)
    as_engine(client, session)
    levels.append(client.target_buffer.copy())
    # A box on a further slice is a second anchor, and ends nothing.
    client.add_bbox_interaction([[8.0, 9.0], [10.0, 18.0], [5.0, 12.0]], True)
    session.correct(Box(k=8, i0=5, j0=10, i1=11, j1=17))
    as_engine(client, session)
    assert client.target_buffer[8].any()
    assert client.target_buffer[:8].any()
    levels.append(client.target_buffer.copy())
    client.add_bbox_interaction([[13, 14], [7, 12], [3, 16]], False)
    session.correct(Box(k=13, i0=3, j0=7, i1=15, j1=11, positive=False))
    as_engine(client, session)
    assert client.target_buffer[13, 7:12, 3:16].sum() * 2 < levels[-1][13, 7:12, 3:16].sum()
    levels.append(client.target_buffer.copy())
    client.add_point_interaction([13.2, 13.6, 5.4], False)
    session.correct(Point(i=5, j=14, k=13, positive=False))
    as_engine(client, session)
    assert not client.target_buffer[13, 14, 5]
    while levels:
        assert client.undo()
        np.testing.assert_array_equal(client.target_buffer, levels.pop())
    assert not client.undo()


def test_interactions_without_a_prediction_are_applied_by_the_next_one(web: Listening, client: Client) -> None:
    for box in (BOX, [[8, 9], [10, 18], [5, 12]], [[17, 18], [10, 18], [5, 12]]):
        assert client.add_bbox_interaction(box, True, run_prediction=False) is None
    assert not client.target_buffer.any()
    assert client._predict() is not None
    session = engine(web)
    session.segment(PROMPT)
    session.correct(Box(k=8, i0=5, j0=10, i1=11, j1=17))
    session.correct(Box(k=17, i0=5, j0=10, i1=11, j1=17))
    as_engine(client, session)
    assert client._predict() is None


def test_a_box_in_3d_is_a_box_on_its_middle_slice_with_bounds(web: Listening, client: Client, tmp_path: Path) -> None:
    client.add_bbox_interaction([[8, 19], *BOX[1:]], True)
    expected = command_line_mask(web.path, tmp_path, *BOX_OF_CLI, "--bounds", 8, 18)
    np.testing.assert_array_equal(client.target_buffer > 0, expected)


def test_a_box_across_another_axis_chooses_the_plane(web: Listening, client: Client, tmp_path: Path) -> None:
    client.add_bbox_interaction([[7, 20], [13, 14], [3, 16]], True)
    line = ("--plane", "coronal", "--slice", 13, "--box", 3, 7, 15, 19)
    np.testing.assert_array_equal(client.target_buffer > 0, command_line_mask(web.path, tmp_path, *line))


@pytest.mark.parametrize("axes", ["LAS", "RPS", "RAI"])
def test_an_image_of_naparis_nifti_reader_is_seen_upright(axes: str) -> None:
    """The reader turns every volume to superior, anterior, right, and sends negative spacings."""
    stored = make_phantom(shape_ijk=(40, 32, 6), spacing_mm_ijk=(8, 7, 30), axes=axes, tilt_deg=(0, 0, 0)).volume
    turned = tuple(slice(None, None, 1 if letter in axes else -1) for letter in "SAR")
    sent = volume_from_array(stored.values[turned][None], {"spacing": [-30.0, -7.0, -8.0]})
    assert sent.geometry.spacing_mm_ijk == (8, 7, 30)
    for plane in ("axial", "coronal", "sagittal"):
        grid, other = SliceGrid.of(stored.geometry, plane), SliceGrid.of(sent.geometry, plane)
        mirrored = turned[2 - grid.axis].step == -1
        for index in range(grid.count):
            seen = other.to_display(other.take(sent.values, grid.count - 1 - index if mirrored else index))
            np.testing.assert_array_equal(seen, grid.to_display(grid.take(stored.values, index)))


@pytest.mark.parametrize(
    ("sent", "voxels"),
    [
        ([3.0, 16.0], (3, 16)),
        ([2.6, 15.4], (3, 16)),  # around the centres of 3 and 15
        ([2.4, 15.6], (3, 16)),
        ([3.2, 15.6], (4, 16)),
        ([12.9999998, 13.9999998], (13, 14)),  # the slice that is shown
        ([13.0000002, 14.0000002], (13, 14)),
        ([13.3, 14.3], (13, 14)),
        ([-0.5, 27.5], (0, 28)),
    ],
)
def test_a_box_with_fractions_has_the_voxels_whose_centres_are_in_it(
    sent: list[float], voxels: tuple[int, int]
) -> None:
    request = BoxRequest.model_validate({"bbox_coords": [[13.0, 14.0], sent, [3, 16]]})
    assert request.bbox_coords == ((13, 14), voxels, (3, 16))


def drawn(web: Listening, *where: slice | int) -> np.ndarray:
    mask = np.zeros(web.scene.volume.values.shape, np.uint8)
    mask[where] = 1
    return mask


def test_a_scribble_starts_an_object(web: Listening, client: Client) -> None:
    client.add_scribble_interaction(drawn(web, 13, slice(13, 15), slice(7, 13)), True)
    assert client.target_buffer[13, 13:15, 7:13].all()
    assert (client.target_buffer > 0)[web.scene.truths["right"]].mean() > 0.9
    client.reset_interactions()
    for path in ("/add_scribble_interaction", "/add_lasso_interaction"):
        body = pack_array(drawn(web, 13, slice(10, 15), slice(7, 13)))
        status, detail = refused(client, path, body, '{"include_interaction": false}')
        assert (status, "starts with a positive" in detail) == (422, True), detail


#: The object of these tests starts with `BOX` on axial slice 13. A stroke or an area outside of it, and one inside, in
#: each plane: ranges of k, j and i.
OUTSIDE = {
    "axial": (11, slice(3, 5), slice(8, 14)),
    "coronal": (slice(11, 16), 4, slice(8, 14)),
    "sagittal": (slice(11, 16), slice(22, 26), 9),
    "far slice": (3, slice(12, 16), slice(6, 12)),
}
INSIDE = {
    "axial": (11, slice(13, 15), slice(7, 12)),
    "coronal": (slice(11, 15), 14, slice(7, 12)),
    "sagittal": (slice(11, 15), slice(12, 17), 9),
}


@pytest.mark.parametrize("kind", ["scribble", "lasso"])
@pytest.mark.parametrize("place", [*OUTSIDE, *(f"not {each}" for each in INSIDE)])
def test_a_scribble_or_lasso_changes_the_mask_where_it_is_drawn(
    web: Listening, client: Client, kind: str, place: str
) -> None:
    positive = not place.startswith("not ")
    where = OUTSIDE[place] if positive else INSIDE[place.removeprefix("not ")]
    client.add_bbox_interaction(BOX, True)
    before = client.target_buffer > 0
    assert before[where].all() != positive
    draw = client.add_scribble_interaction if kind == "scribble" else client.add_lasso_interaction
    mask = drawn(web, *where)
    draw(mask, positive)
    after = client.target_buffer > 0
    line = mask > 0
    if kind == "scribble":  # the line in the middle of the stroke
        line = line & (ndimage.distance_transform_cdt(np.pad(line, 1))[1:-1, 1:-1, 1:-1] > 0)
        share = (after[line] == positive).mean()
        assert share >= 0.4, share
        assert share > (before[line] == positive).mean()
    else:
        assert (after[line] == positive).all()
    # Far from it, nothing has changed.
    assert (after ^ before).sum() < 900
    assert client.undo()
    np.testing.assert_array_equal(client.target_buffer > 0, before)


def test_a_box_in_another_plane_adds_what_the_model_finds_in_it(web: Listening, client: Client) -> None:
    client.add_point_interaction([13, 14, 9], True)
    client.add_bbox_interaction([[8, 19], [7, 21], [3, 9]], False)  # a thick one takes away all in it
    before = client.target_buffer > 0
    assert before.any()
    assert not before[8:19, 7:21, 3:9].any()
    client.add_bbox_interaction([[7, 20], [13, 14], [3, 16]], True)
    after = client.target_buffer > 0
    inside, added = web.scene.truths["right"][:, 13, 3:9], (after & ~before)
    assert (after[:, 13, 3:9] == inside).mean() > 0.9
    assert not np.delete(added, 13, axis=1).any()
    client.add_bbox_interaction([[7, 20], [13, 14], [3, 9]], False)
    assert not client.target_buffer[7:20, 13, 3:9].any()


def test_an_initial_segmentation_is_kept_and_corrected_from_there(web: Listening, client: Client) -> None:
    right = web.scene.truths["right"]
    given = right.copy()
    given[9, 10:12, 6] = False  # an odd shape, which no model would find
    client.add_initial_seg_interaction(given.astype(np.uint8), run_prediction=False)
    np.testing.assert_array_equal(client.target_buffer > 0, given)
    client.add_point_interaction([13, 14, 5], False)
    slices = np.flatnonzero(given.any(axis=(1, 2)))
    found = np.flatnonzero(client.target_buffer.any(axis=(1, 2)))
    assert slices[0] <= found[0] < found[-1] <= slices[-1]
    assert not client.target_buffer[13, 14, 5]
    # Beyond its ends, it grows to a box, and there is nothing to take away.
    high = int(slices[-1]) + 2
    client.add_point_interaction([high, 14, 5], False)
    assert not client.target_buffer[high].any()
    client.add_lasso_interaction(drawn(web, high, slice(12, 16), slice(7, 12)), True)
    assert client.target_buffer[high, 12:16, 7:12].all()
    for _ in range(4):
        client.undo()
    assert not client.target_buffer.any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_drawn_pixels_become_lines_inside_them_and_outlines_around_them(seed: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    geometry = Geometry.from_parts((9, 14, 11), (0.0, 0.0, 0.0), (0.8, 1.5, 4.0), np.eye(3))
    for axis in range(3):
        grid = SliceGrid.across(geometry, axis)
        pixels = np.zeros(grid.shape_vu, bool)
        for _ in range(steps):
            v, u = (int(random.integers(0, size)) for size in grid.shape_vu)
            pixels[v : v + 2, u : u + int(random.integers(1, 7))] = True
        lines = scribbles_of(pixels, grid, 3, True)
        near = np.zeros_like(pixels)
        for line in lines:
            for index, each in line.pixels_by_slice(grid).items():
                assert index == 3
                assert pixels[each[:, 1], each[:, 0]].all()
                near[each[:, 1], each[:, 0]] = True
        assert not (pixels & ~ndimage.binary_dilation(near, np.ones((3, 3)), iterations=2)).any()
        areas = np.zeros_like(pixels)
        for lasso in lassos_of(pixels, grid, 3, True):
            areas |= lasso.pixels(grid.shape_vu)
        np.testing.assert_array_equal(areas, ndimage.binary_fill_holes(pixels))


def test_each_object_stays_in_a_session_of_the_page(web: Listening) -> None:
    before = {each["id"] for each in web.service.session_rows("local")}
    with Client(web.url) as client:
        begin(client, web)
        client.add_bbox_interaction(BOX, True)
        client.reset_interactions()
        client.set_do_autozoom(False)
        client.add_bbox_interaction([[13, 14], [8, 20], [15, 27]], True)
        with_two = client.target_buffer.copy()
    (added,) = [each for each in web.service.session_rows("local") if each["id"] not in before]
    assert [each["name"] for each in web.service.state("local", added["id"])["objects"]] == ["object", "object 2"]
    second = web.service.object_mask("local", added["id"], "object 2").result(20)
    np.testing.assert_array_equal(second, with_two > 0)
    with Client(web.url) as client:
        begin(client, web)
    after = {each["id"] for each in web.service.session_rows("local")}
    assert after == before | {added["id"]}  # an image without objects is deleted


def test_the_number_of_leases_is_limited_and_they_end(web: Listening) -> None:
    first, second = Client(web.url), Client(web.url)
    with pytest.raises(remote.ServerAtCapacityError, match="All 2 leases"):
        Client(web.url)
    second.close()
    assert first.heartbeat() > 0
    assert first.lease_status()["idle_timeout_seconds"] == web.service.limits.lease_idle_seconds
    token = first._lease_token
    first.close()
    first = httpx.post(f"{web.url}/undo", headers={"x-lease-token": token}, json={})
    assert first.status_code == 410


def test_a_lease_expires_and_needs_a_valid_token(tmp_path: Path) -> None:
    limits = Limits(lease_silent_seconds=0.05)
    with listening(tmp_path, limits=limits, token=True) as web:
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            Client(web.url, api_key="wrong")
        client = Client(web.url, api_key=TOKEN)
        client._stop_heartbeat.wait(0.1)
        with pytest.raises(remote.SessionExpiredError, match="This lease has ended"):
            client.reset_interactions()
        client.close()


def test_without_the_client_package_the_error_names_what_to_install(
    web: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nnInteractive.inference.remote", None)
    monkeypatch.setitem(sys.modules, "nnInteractive.inference.remote.serialization", None)
    response = httpx.post(f"{web.url}/claim")  # the client shows the message of a 503
    assert (response.status_code, "pip install 'radsam[nninteractive]'" in response.json()["detail"]) == (503, True)


def refused(client: Client, path: str, content: bytes, meta: str = "{}") -> tuple[int, str]:
    headers = {"x-meta": meta, "content-type": "application/octet-stream"}
    response = client._http.post(path, content=content, headers=headers)
    return response.status_code, response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/add_point_interaction", {"coordinates": [13, 14]}, 422, "coordinates[2] is missing"),
        (
            "/add_point_interaction",
            {"coordinates": [13, 14, None]},
            422,
            "coordinates[2] must be a whole",
        ),
        ("/add_point_interaction", {"coordinates": [99, 14, 5]}, 422, "outside the volume"),
        ("/add_point_interaction", {"coordinates": [13, 14, 5], "include_interaction": False}, 422, "positive"),
        (
            "/add_point_interaction",
            {"coordinates": [13, 14, 5], "include_interaction": "no"},
            422,
            "must be true or false",
        ),
        ("/add_bbox_interaction", {"bbox_coords": [[13, 14], [99, 120], [3, 9]]}, 422, "no voxel inside"),
        ("/add_bbox_interaction", {"bbox_coords": [[13, 14], [4, 5], [3, 9]]}, 422, "no area"),
        ("/add_bbox_interaction", {"bbox_coords": "x"}, 422, "bbox_coords must be a list"),
        ("/set_target_buffer", {"shape": [1, 2, 3], "dtype": "uint8"}, 422, "target buffer"),
    ],
)
def test_an_impossible_interaction_is_refused_and_the_lease_continues(
    client: Client, path: str, body: object, status: int, says: str
) -> None:
    response = client._http.post(path, json=body)
    assert response.status_code == status, response.text
    assert says in response.json()["detail"]
    assert client.add_bbox_interaction(BOX, True) is not None


def test_malformed_bodies_are_refused(web: Listening, client: Client) -> None:
    image = pack_array(web.scene.volume.values[None])
    assert client._http.post("/undo", content=b"not json").status_code == 200  # its body is ignored
    assert client._http.post("/add_point_interaction", content=b"[1").status_code == 422
    for content, meta, says in (
        (b"", "{}", "incomplete"),
        (b"NNIA", "{}", "incomplete"),
        (image[:-20], "{}", "incomplete"),
        (image + b"x", "{}", "chunks unpack"),
        (image, "[", "X-Meta"),
        (image, '{"image_properties": {"spacing": [1, 0, 1]}}', "spacing"),
        (pack_array(web.scene.volume.values), "{}", "(1, z, y, x)"),
        (pack_array(np.zeros((1, 4, 4, 4), np.float32)), "{}", "constant"),
        (pack_array(np.full((1, 4, 4, 4), np.nan, np.float32)), "{}", "NaN"),
    ):
        status, detail = refused(client, "/set_image", content, meta)
        assert (status, says in detail) == (422, True), detail
    outside = json.dumps({"interaction_bbox": [[13, 14], [26, 30], [3, 7]]})
    status, detail = refused(client, "/add_scribble_interaction", pack_array(np.ones((1, 4, 4), np.uint8)), outside)
    assert (status, "inside the volume" in detail) == (422, True)
    empty = pack_array(np.zeros(web.scene.volume.values.shape, np.uint8))
    assert refused(client, "/add_initial_seg_interaction", empty)[0] == 422
    assert client.add_bbox_interaction(BOX, True) is not None


def with_shape(shape: tuple[int, ...], body: bytes) -> bytes:
    """Change the shape in the header of a packed array of uint8."""
    return body[:13] + struct.pack(f"<{len(shape)}q", *shape) + body[13 + 8 * len(shape) :]


def test_an_array_with_a_false_header_is_refused_before_it_is_unpacked(client: Client) -> None:
    body = pack_array(np.zeros((1, 4, 4, 4), np.uint8))
    np.testing.assert_array_equal(unpack_array(with_shape((1, 4, 4, 4), body)), np.zeros((1, 4, 4, 4)))
    assert refused(client, "/set_image", with_shape((1, 1 << 20, 1 << 20, 1 << 10), body))[0] == 413
    assert refused(client, "/set_image", with_shape((1, 4, 4, -4), body))[0] == 422
    assert refused(client, "/set_image", with_shape((1, 8, 8, 8), body))[0] == 422
    assert refused(client, "/set_image", with_shape((1, 1, 1, 1), body))[0] == 422
    with pytest.raises(TooLargeError):
        parse_header(body, 10)
    start = parse_header(body, 1000).start
    for size, packed in ((64, 1 << 40), (1 << 40, len(body) - start - 20), (32, len(body) - start - 20)):
        altered = body[: start + 4] + struct.pack("<QQ", size, packed) + body[start + 20 :]
        with pytest.raises(InputError, match="not an array"):
            unpack(parse_header(altered, 1000), altered)
    long = body + bytes(1 << 20)
    status, detail = refused(client, "/set_image", long)
    assert (status, "longer than its shape" in detail) == (422, True)
