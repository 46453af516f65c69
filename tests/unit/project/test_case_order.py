from __future__ import annotations

import numpy as np

from radsam.project.case_order import order_of_cases


def at(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_the_least_sure_case_comes_first_where_all_look_the_same() -> None:
    order = order_of_cases({"a": 0.2, "b": 0.9, "c": 0.5}, dict.fromkeys("abc", at(1.0, 2.0)))
    assert list(order) == ["b", "c", "a"]


def test_a_case_like_a_finished_one_teaches_less() -> None:
    order = order_of_cases({"a": 0.5, "b": 0.5}, {"a": at(0.0, 0.0), "b": at(5.0, 1.0)}, [at(0.0, 0.1)])
    assert list(order) == ["b", "a"]


def test_two_cases_that_look_the_same_are_not_one_after_the_other() -> None:
    features = {"a": at(0.0, 0.0), "like a": at(0.0, 0.0), "b": at(5.0, 1.0)}
    order = order_of_cases({"a": 0.8, "like a": 0.79, "b": 0.5}, features)
    assert list(order) == ["a", "b", "like a"]
    assert list(order.values()) == sorted(order.values(), reverse=True)
    assert all(0 <= each <= 1 for each in order.values())


def test_no_case_is_open() -> None:
    assert order_of_cases({}, {}, [at(1.0)]) == {}
