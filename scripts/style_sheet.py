"""Shows what styles do to a photo: python scripts/style_sheet.py photo=lake.jpg"""  # noqa: D415

from stylecinegan.cli.style_sheet import run

if __name__ == "__main__":
    run()
