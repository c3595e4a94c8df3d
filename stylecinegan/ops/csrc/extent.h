#pragma once

#include <cstdint>

#include "portable.h"

namespace stylecinegan {

// Sizes of a splat. Sources begin border_rows above and border_columns left of the target map.
struct Extent {
  int64_t height, width, border_rows, border_columns;
  HOST_DEVICE int64_t source_height() const { return height + 2 * border_rows; }
  HOST_DEVICE int64_t source_width() const { return width + 2 * border_columns; }
};

// Rows [top, bottom) and columns [left, right) of a map.
struct Box {
  int64_t top, bottom, left, right;
  HOST_DEVICE int64_t height() const { return bottom - top; }
  HOST_DEVICE int64_t width() const { return right - left; }
  bool is_empty() const { return bottom <= top || right <= left; }

  // Larger on every side, as far as the map goes.
  Box grown(int64_t margin, const Extent& extent) const {
    return {
        top > margin ? top - margin : 0,
        bottom + margin < extent.height ? bottom + margin : extent.height,
        left > margin ? left - margin : 0,
        right + margin < extent.width ? right + margin : extent.width};
  }
};

}  // namespace stylecinegan
