import json

from stylecinegan.evaluation.report import Table, name_rows, to_markdown, write_table

TABLE = Table(
    "Two rows",
    [
        {"row": "ours", "RMSE": 4.25, "MS-SSIM": 0.5},
        {"row": "other", "RMSE": float("nan"), "note": "not measured"},
    ],
    paper={"ours": {"RMSE": 5.25}},
    details=[{"photo": "a", "RMSE": 4.0}, {"photo": "b", "RMSE": 4.5}],
)


def test_markdown_has_the_paper_s_numbers_and_dashes_for_missing_ones():
    lines = to_markdown(TABLE).splitlines()
    assert lines[2] == "| | RMSE | MS-SSIM | note |"
    assert lines[4] == "| ours | 4.25 / 5.25 (-1) | 0.5 | - |"
    assert lines[5] == "| other | - | - | not measured |"


def test_rows_on_disk_have_the_context(tmp_path):
    text = write_table(TABLE, tmp_path / "new" / "folder", {"commit": "abc"})
    folder = tmp_path / "new" / "folder"
    assert (folder / "table.md").read_text() == text
    first = json.loads((folder / "rows.jsonl").read_text().splitlines()[0])
    assert first["RMSE"] == 4.25
    assert first["commit"] == "abc"
    assert len((folder / "details.jsonl").read_text().splitlines()) == 2


def test_a_second_run_replaces_the_files_of_the_first(tmp_path):
    write_table(TABLE, tmp_path, {})
    write_table(Table("One row", [{"row": "x", "RMSE": 1.0}]), tmp_path, {})
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1
    assert "One row" in (tmp_path / "table.md").read_text()


def test_methods_are_renamed_in_order():
    methods = {"full": 1, "without_FW": 2, "AL": 3}
    named = name_rows(methods, {"without_FW": "w/o FW", "unused": "x"})
    assert list(named.items()) == [("full", 1), ("w/o FW", 2), ("AL", 3)]
    assert name_rows(methods, None) == methods


def test_tables_have_deviations_differences_and_the_duration(tmp_path):
    table = Table(
        "Spread",
        [{"row": "ours", "RMSE": 4.25}],
        paper={"ours": {"RMSE": 5.25}},
        deviations={"ours": {"RMSE": 0.125}},
        differences=[{"row": "AL minus ours", "RMSE": "+1 ± 0.5 (2 of 3)"}],
        seconds=12.4,
    )
    lines = write_table(table, tmp_path, {}).splitlines()
    assert lines[4] == "| ours | 4.25 ± 0.12 / 5.25 (-1) |"
    assert "| AL minus ours | +1 ± 0.5 (2 of 3) |" in lines
    assert lines[-1] == "Measured in 12 s."
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    assert row["deviations"] == {"RMSE": 0.125}
    assert row["seconds"] == 12.4
