// Displacements on the CPU: resized, and read row by row at the resolution of any map.
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "extent.h"
#include "sampling.h"

namespace stylecinegan {

// Where every pixel of a resized axis is read.
template <typename scalar_t>
class Axis {
 public:
  Axis(int64_t from, int64_t to) : first_(to), share_(to) {
    for (int64_t i = 0; i < to; ++i) {
      const auto place = resized_place<scalar_t>(i, from, to);
      first_[i] = place.first;
      share_[i] = place.share;
    }
  }
  int64_t size() const { return static_cast<int64_t>(first_.size()); }
  const int32_t* first() const { return first_.data(); }
  const scalar_t* share() const { return share_.data(); }

 private:
  std::vector<int32_t> first_;
  std::vector<scalar_t> share_;
};

// One row of an enlarged plane whose border goes on. `buffer` takes width + 2 values.
template <typename scalar_t>
SIMD_LOOP void enlarge_row(
    const scalar_t* RESTRICT plane, int64_t height, int64_t width, Place<scalar_t> place,
    const Axis<scalar_t>& columns, int64_t begin, int64_t end, scalar_t scale,
    scalar_t* RESTRICT buffer, scalar_t* RESTRICT output) {
  const scalar_t* upper = plane + std::max(place.first, 0) * width;
  const scalar_t* lower = plane + std::min<int64_t>(place.first + 1, height - 1) * width;
  const scalar_t lower_share = place.share * scale, upper_share = scale - lower_share;
  const int32_t* first = columns.first();
  const scalar_t* share = columns.share();
  scalar_t* mixed = buffer + 1;
  // Only what the columns read.
  const int64_t low_begin = std::max(first[begin], 0);
  const int64_t low_end = std::min<int64_t>(first[end - 1] + 2, width);
  for (int64_t i = low_begin; i < low_end; ++i) {
    mixed[i] = upper[i] * upper_share + lower[i] * lower_share;
  }
  mixed[low_begin - 1] = mixed[low_begin];
  mixed[low_end] = mixed[low_end - 1];
  int64_t i = begin;
  if (columns.size() == 2 * width) {
    // Twice the size, the common case: the same without looking anything up.
    const int64_t half = (begin + 1) / 2, pairs = end / 2 - half;
    const scalar_t* middle = mixed + half;
    scalar_t* target = output + (2 * half - begin);
    for (; i < std::min(2 * half, end); ++i) {
      output[i - begin] = mix(mixed[first[i]], mixed[first[i] + 1], share[i]);
    }
    for (int64_t k = 0; k < pairs; ++k) {
      target[2 * k] = mix(middle[k - 1], middle[k], scalar_t(0.75));
      target[2 * k + 1] = mix(middle[k], middle[k + 1], scalar_t(0.25));
    }
    i += 2 * std::max<int64_t>(pairs, 0);
  }
  for (; i < end; ++i) {
    output[i - begin] = mix(mixed[first[i]], mixed[first[i] + 1], share[i]);
  }
}

// The columns [begin, end) that each column of an area average takes.
class Areas {
 public:
  Areas(int64_t from, int64_t to) : ranges_(to) {
    for (int64_t i = 0; i < to; ++i) {
      ranges_[i] = {static_cast<int32_t>(area_begin(i, from, to)),
                    static_cast<int32_t>(area_end(i, from, to))};
    }
  }
  const std::pair<int32_t, int32_t>& operator[](int64_t index) const { return ranges_[index]; }

 private:
  std::vector<std::pair<int32_t, int32_t>> ranges_;
};

// One row of an area average. `buffer` takes a row of the plane.
template <typename scalar_t>
SIMD_LOOP void shrink_row(
    const scalar_t* RESTRICT plane, int64_t width, int64_t top, int64_t bottom,
    const Areas& columns, int64_t new_width, scalar_t scale, scalar_t* RESTRICT buffer,
    scalar_t* RESTRICT output) {
  std::copy_n(plane + top * width, width, buffer);
  for (int64_t y = top + 1; y < bottom; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      buffer[x] += plane[y * width + x];
    }
  }
  for (int64_t i = 0; i < new_width; ++i) {
    const auto [left, right] = columns[i];
    scalar_t sum = 0;
    for (int32_t x = left; x < right; ++x) {
      sum += buffer[x];
    }
    output[i] = sum / static_cast<scalar_t>((right - left) * (bottom - top)) * scale;
  }
}

// Smallest and largest of some values; NaN is left out.
template <typename scalar_t>
struct Range {
  scalar_t min = std::numeric_limits<scalar_t>::infinity(), max = -min;

  void include(scalar_t low, scalar_t high) {
    min = low < min ? low : min;
    max = high > max ? high : max;
  }
};

template <typename scalar_t>
SIMD_LOOP Range<scalar_t> range_of(const scalar_t* values, int64_t count) {
  constexpr int64_t lanes = 16;
  scalar_t min[lanes], max[lanes];
  Range<scalar_t> range;
  std::fill_n(min, lanes, range.min);
  std::fill_n(max, lanes, range.max);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t k = 0; k < lanes; ++k) {
      min[k] = values[i + k] < min[k] ? values[i + k] : min[k];
      max[k] = values[i + k] > max[k] ? values[i + k] : max[k];
    }
  }
  for (; i < count; ++i) {
    range.include(values[i], values[i]);
  }
  for (int64_t k = 0; k < lanes; ++k) {
    range.include(min[k], max[k]);
  }
  return range;
}

// One row of sources: displacements of the columns from `column` on, in pixels of the target map.
template <typename scalar_t>
struct SourceRow {
  const scalar_t* dx;
  const scalar_t* dy;
  int64_t row, column, count;
};

// Displacements of all sources of a map. Where they are given for a smaller map, they are enlarged
// row by row: no map of full size is ever built.
template <typename scalar_t>
class Field {
 public:
  Field(const scalar_t* displacement, int64_t height, int64_t width, const Extent& extent)
      : dx_(displacement),
        dy_(displacement + height * width),
        height_(height),
        width_(width),
        extent_(extent),
        columns_(width, extent.source_width()),
        scale_x_(static_cast<scalar_t>(extent.source_width()) / static_cast<scalar_t>(width)),
        scale_y_(static_cast<scalar_t>(extent.source_height()) / static_cast<scalar_t>(height)),
        range_x_(height),
        range_y_(height) {}

  // Values that a buffer for row() takes.
  int64_t buffer_size() const { return 2 * extent_.source_width() + width_ + 2; }

  // Finds how far rows [begin, end) of what was given reach; to be done for all before reading.
  void measure(int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      range_x_[row] = range_of(dx_ + row * width_, width_);
      range_y_[row] = range_of(dy_ + row * width_, width_);
    }
  }

  // The sources of a row, counted with the border, that may touch a box; none: a count of 0.
  SourceRow<scalar_t> row(int64_t index, const Box& box, scalar_t* buffer) const {
    const auto place = resized_place<scalar_t>(index, height_, extent_.source_height());
    const int64_t upper = std::max(place.first, 0);
    const int64_t lower = std::min<int64_t>(place.first + 1, height_ - 1);
    Range<scalar_t> x_range = range_x_[upper], y_range = range_y_[upper];
    x_range.include(range_x_[lower].min, range_x_[lower].max);
    y_range.include(range_y_[lower].min, range_y_[lower].max);
    const int64_t y = index - extent_.border_rows;
    // A pixel of slack makes up for rounding; what touches nothing is found out later.
    const auto above = static_cast<scalar_t>(box.top - 2);
    const auto below = static_cast<scalar_t>(box.bottom + 1);
    const auto at = static_cast<scalar_t>(y);
    if (!(at + y_range.max * scale_y_ > above && at + y_range.min * scale_y_ < below)) {
      return {nullptr, nullptr, y, 0, 0};
    }
    const int64_t begin = column_at(static_cast<scalar_t>(box.left - 2) - x_range.max * scale_x_);
    const int64_t end = column_at(static_cast<scalar_t>(box.right + 2) - x_range.min * scale_x_);
    if (begin >= end) {
      return {nullptr, nullptr, y, 0, 0};
    }
    const int64_t column = begin - extent_.border_columns;
    if (height_ == extent_.source_height() && width_ == extent_.source_width()) {
      const int64_t offset = index * width_ + begin;
      return {dx_ + offset, dy_ + offset, y, column, end - begin};
    }
    scalar_t* x = buffer + width_ + 2;
    enlarge_row(dx_, height_, width_, place, columns_, begin, end, scale_x_, buffer, x);
    scalar_t* other = x + extent_.source_width();
    enlarge_row(dy_, height_, width_, place, columns_, begin, end, scale_y_, buffer, other);
    return {x, other, y, column, end - begin};
  }

 private:
  // Index, counted with the border, of the last source column that is not right of a position.
  int64_t column_at(scalar_t position) const {
    const auto last = static_cast<scalar_t>(extent_.source_width());
    return static_cast<int64_t>(
        inside(position + static_cast<scalar_t>(extent_.border_columns), last));
  }

  const scalar_t* dx_;
  const scalar_t* dy_;
  int64_t height_, width_;
  Extent extent_;
  Axis<scalar_t> columns_;
  scalar_t scale_x_, scale_y_;
  std::vector<Range<scalar_t>> range_x_, range_y_;
};

}  // namespace stylecinegan
