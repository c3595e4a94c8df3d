"""Measures one table: python scripts/evaluate.py table=5"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("evaluate")
