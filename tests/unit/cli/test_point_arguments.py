from __future__ import annotations

import pytest
import typer

from radsam.cli.point_arguments import join_points, parse_triples


@pytest.mark.parametrize(
    ("typed", "joined"),
    [
        ("--fix 1 2 3", "--fix 1,2,3"),
        ("--fix 1,2,3", "--fix 1,2,3"),
        ("--fix=1,2,3", "--fix=1,2,3"),
        ("--fix -1 -2.5 3e1 --mm", "--fix -1,-2.5,3e1 --mm"),
        ("a --fix 1 2 3 --fix-not 4 5 6 --fix 7 8 9 b", "a --fix 1,2,3 --fix-not 4,5,6 --fix 7,8,9 b"),
        ("--fix 1 2 3 4", "--fix 1,2,3 4"),
        ("--fix 1 2", "--fix 1,2"),
        ("--fix 1 --mm", "--fix 1 --mm"),
        ("--fix 1 2 --fix-not 3 4 5", "--fix 1,2 --fix-not 3,4,5"),
        ("--fix 1 2 nan", "--fix 1,2 nan"),
        ("--fix --mm", "--fix --mm"),
        ("--fix", "--fix"),
        ("--point 1 2 --box 1 2 3 4", "--point 1 2 --box 1 2 3 4"),
        ("", ""),
    ],
)
def test_three_numbers_after_a_point_option_become_one_argument(typed: str, joined: str) -> None:
    arguments = typed.split()
    assert join_points(arguments) == joined.split()
    assert arguments == typed.split()


def test_triples_are_read_in_order() -> None:
    assert parse_triples(["1,2,3", "-4,5.5,6e1"], "--fix") == [(1.0, 2.0, 3.0), (-4.0, 5.5, 60.0)]
    assert parse_triples(None, "--fix") == []


@pytest.mark.parametrize("value", ["", "1", "1,2", "1,2,3,4", "1,2,x", "1,2,", "1,2,nan", "1,2,inf", "1;2;3"])
def test_anything_but_three_finite_numbers_is_wrong_usage(value: str) -> None:
    with pytest.raises(typer.BadParameter, match="--fix-not takes three numbers, I J K; given: "):
        parse_triples([value], "--fix-not")
