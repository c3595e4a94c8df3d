// How maps are read between their pixels, shared by the CPU and the CUDA kernels.
#pragma once

#include "splatting.h"

namespace stylecinegan {

// A place between two neighbours of an axis; the first may be -1, the second may be the size.
template <typename scalar_t>
struct Place {
  int32_t first;
  scalar_t share;  // of the second neighbour, in [0, 1)
};

// Where pixel `index` of an axis of `to` pixels lies on the same axis with `from` pixels.
template <typename scalar_t>
HOST_DEVICE Place<scalar_t> resized_place(int64_t index, int64_t from, int64_t to) {
  // Computed in integers, so that it is exact: (index + 1/2) from / to - 1/2 over 2 to.
  const int64_t numerator = (2 * index + 1) * from - to;
  const int64_t first = numerator >= 0 ? numerator / (2 * to) : -1;
  const int64_t rest = numerator - first * 2 * to;
  return {static_cast<int32_t>(first), static_cast<scalar_t>(rest) / static_cast<scalar_t>(2 * to)};
}

// The pixels [begin, end) that an area average takes for pixel `index` of the smaller axis.
HOST_DEVICE int64_t area_begin(int64_t index, int64_t from, int64_t to) {
  return index * from / to;
}
HOST_DEVICE int64_t area_end(int64_t index, int64_t from, int64_t to) {
  return ((index + 1) * from + to - 1) / to;
}

template <typename scalar_t>
HOST_DEVICE scalar_t mix(scalar_t first, scalar_t second, scalar_t share) {
  return first + (second - first) * share;
}

// A position moved into an axis: a map goes on beyond its border as at the border. NaN becomes 0.
template <typename scalar_t>
HOST_DEVICE scalar_t inside(scalar_t position, scalar_t last) {
  const scalar_t bounded = position < last ? position : last;
  return bounded > scalar_t(0) ? bounded : scalar_t(0);
}

// One step of Eq. 1: adds the motion (along_x, along_y) at the particle's place to its state, which
// starts and ends in the pixel (row, column).
template <bool is_nearest, typename scalar_t>
HOST_DEVICE void euler_step_at(
    const scalar_t* along_x, const scalar_t* along_y, const scalar_t* state_x,
    const scalar_t* state_y, scalar_t* moved_x, scalar_t* moved_y, int32_t row, int32_t column,
    int32_t height, int32_t width) {
  const scalar_t dx = state_x[column], dy = state_y[column];
  const scalar_t x = inside(static_cast<scalar_t>(column) + dx, static_cast<scalar_t>(width - 1));
  const scalar_t y = inside(static_cast<scalar_t>(row) + dy, static_cast<scalar_t>(height - 1));
  if (is_nearest) {
    const int32_t at = static_cast<int32_t>(std::nearbyint(y)) * width +
        static_cast<int32_t>(std::nearbyint(x));
    moved_x[column] = dx + along_x[at];
    moved_y[column] = dy + along_y[at];
    return;
  }
  const auto left = static_cast<int32_t>(x), top = static_cast<int32_t>(y);
  const scalar_t across = x - static_cast<scalar_t>(left), down = y - static_cast<scalar_t>(top);
  const int32_t right = left < width - 1 ? 1 : 0, below = top < height - 1 ? width : 0;
  const int32_t at = top * width + left;
  moved_x[column] = dx +
      mix(mix(along_x[at], along_x[at + right], across),
          mix(along_x[at + below], along_x[at + below + right], across), down);
  moved_y[column] = dy +
      mix(mix(along_y[at], along_y[at + right], across),
          mix(along_y[at + below], along_y[at + below + right], across), down);
}

}  // namespace stylecinegan
