"""Builds the page of a user study: python scripts/user_study.py videos=FOLDER photos=FOLDER"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("user_study")
