import pytest

from stylecinegan.evaluation.statistics import deviations, mean_rows, paired_differences

DETAILS = [
    {"row": "ours", "clip": "a", "moving share": 0.5, "LPIPS": 0.1},
    {"row": "ours", "clip": "b", "moving share": 0.5, "LPIPS": 0.5},
    {"row": "ours", "clip": "c", "moving share": 0.5, "LPIPS": 0.3, "RMSE": 4.0},
    {"row": "AL", "clip": "a", "moving share": 0.5, "LPIPS": 0.2},
    {"row": "AL", "clip": "b", "moving share": 0.5, "LPIPS": 0.6},
    {"row": "AL", "clip": "c", "moving share": 0.5, "LPIPS": 0.2},
    {"clip": "d", "left out": "the mask is empty"},
]


def test_means_ignore_missing_values():
    details = [{"row": "a", "clip": "1", "x": 1.0, "y": 2.0}, {"row": "a", "clip": "2", "x": 3.0}]
    assert mean_rows(details, ["a"]) == [{"row": "a", "x": 2.0, "y": 2.0}]


def test_deviations_are_sample_deviations_and_need_two_clips():
    found = deviations(DETAILS, ["ours"])
    assert found == {"ours": {"LPIPS": pytest.approx(0.2)}}


def test_differences_from_the_first_row_are_paired_by_clip():
    (row,) = paired_differences(DETAILS, ["ours", "AL"])
    assert row["row"] == "AL minus ours"
    # 0.1, 0.1 and -0.1: mean 0.033, deviation 0.115 over the root of 3.
    assert row["LPIPS"] == "+0.0333 ± 0.067 (2 of 3)"
    assert "RMSE" not in row


def test_differences_from_other_references_where_these_are_rows():
    details = [*DETAILS, *({**entry, "row": "DL"} for entry in DETAILS if entry.get("row") == "AL")]
    names = ["ours", "AL", "DL"]
    one, other = paired_differences(details, names, {"DL": "AL", "AL": "T2C"})
    assert one["row"] == "AL minus ours"
    assert other == {"row": "DL minus AL", "LPIPS": "+0 ± 0 (0 of 3)"}
