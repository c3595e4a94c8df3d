"""Progress bars: a widget in a notebook that can show one, text elsewhere."""

import warnings

from tqdm import TqdmWarning

with warnings.catch_warnings():
    # Without ipywidgets the bar is text, and no warning is needed to see that.
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm

__all__ = ["tqdm"]
