"""Multi-scale deep feature warping: deep features and a motion field become frames (Sec. 3.4)."""
