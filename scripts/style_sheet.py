"""Shows what styles do to a photo: python scripts/style_sheet.py photo=lake.jpg"""  # noqa: D415

from stylecinegan.cli.main import run

if __name__ == "__main__":
    run("style_sheet")
