// The arithmetic of forward splatting, shared by the CPU and the CUDA kernels.
//
// A source pixel lands at a real position (x, y) of the target map and touches the four pixels
// around it with bilinear weights. What is not finite, or touches no pixel of the map, is dropped.
#pragma once

#include <cmath>
#include <cstdint>

#include "portable.h"

namespace stylecinegan {

// Whether a position touches a pixel of an axis. False for NaN, and what is true fits an int64_t:
// nothing may be converted to an integer before this was asked.
template <typename scalar_t>
HOST_DEVICE bool touches(scalar_t position, int64_t size) {
  return position > scalar_t(-1) && position < static_cast<scalar_t>(size);
}

// Bilinear weights of the four pixels around a position that lies right (across) and lower (down)
// of the upper left one, both in [0, 1).
template <typename scalar_t>
struct CornerWeights {
  scalar_t upper_left, upper_right, lower_left, lower_right;
};

template <typename scalar_t>
HOST_DEVICE CornerWeights<scalar_t> corner_weights(scalar_t across, scalar_t down) {
  const scalar_t left = scalar_t(1) - across;
  const scalar_t upper = scalar_t(1) - down;
  return {left * upper, across * upper, left * down, across * down};
}

// Calls visit(offset, weight, dweight_dx, dweight_dy) for each pixel around (x, y) inside the map,
// always in the order of the rows.
template <typename scalar_t, typename Visit>
HOST_DEVICE void visit_corners(
    scalar_t x, scalar_t y, int64_t height, int64_t width, Visit visit) {
  if (!touches(x, width) || !touches(y, height)) {
    return;
  }
  const scalar_t floor_x = std::floor(x);
  const scalar_t floor_y = std::floor(y);
  const auto left = static_cast<int64_t>(floor_x);
  const auto top = static_cast<int64_t>(floor_y);
  const scalar_t across = x - floor_x;
  const scalar_t down = y - floor_y;
  const CornerWeights<scalar_t> weights = corner_weights(across, down);
  const bool has_left = left >= 0;
  const bool has_right = left + 1 < width;
  if (top >= 0) {
    const int64_t offset = top * width + left;
    const scalar_t upper = scalar_t(1) - down;
    if (has_left) visit(offset, weights.upper_left, -upper, across - scalar_t(1));
    if (has_right) visit(offset + 1, weights.upper_right, upper, -across);
  }
  if (top + 1 < height) {
    const int64_t offset = (top + 1) * width + left;
    if (has_left) visit(offset, weights.lower_left, -down, scalar_t(1) - across);
    if (has_right) visit(offset + 1, weights.lower_right, down, across);
  }
}

// Index inside [0, size) that a position beyond the border mirrors to, the edge not repeated, as
// often as it takes: -1 -> 1, size -> size - 2.
HOST_DEVICE int64_t reflect(int64_t index, int64_t size) {
  if (index >= 0 && index < size) {
    return index;
  }
  if (size == 1) {
    return 0;
  }
  const int64_t period = 2 * (size - 1);
  const int64_t phase = ((index % period) + period) % period;
  return phase < size ? phase : period - phase;
}

}  // namespace stylecinegan
