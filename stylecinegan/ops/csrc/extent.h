#pragma once

#include <cstdint>

namespace stylecinegan {

// Sizes of a splat. Sources begin border_rows above and border_columns left of the target map.
struct Extent {
  int64_t height, width, border_rows, border_columns;
  int64_t source_height() const { return height + 2 * border_rows; }
  int64_t source_width() const { return width + 2 * border_columns; }
};

}  // namespace stylecinegan
