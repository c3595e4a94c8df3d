// A band of target rows on the CPU, and how sources are added to it.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "extent.h"
#include "splatting.h"

namespace stylecinegan {

template <typename scalar_t, int lanes>
struct PackOf {
  typedef scalar_t type __attribute__((vector_size(lanes * sizeof(scalar_t))));
};

// Lanes of a 256-bit register, for maps of many channels.
template <typename scalar_t>
constexpr int kWidePack = 32 / sizeof(scalar_t);

// A map of one value a pixel; a stride of 0 repeats one row.
template <typename scalar_t>
struct Plane {
  const scalar_t* data;
  int64_t row_stride;
  const scalar_t* row(int64_t index) const { return data + index * row_stride; }
};

// Displacements of all sources, and the first and last target row that each row of them touches.
template <typename scalar_t>
struct Field {
  const scalar_t* dx;
  const scalar_t* dy;
  const std::pair<int32_t, int32_t>* reach;
};

template <typename scalar_t>
std::pair<int32_t, int32_t> reach_of_row(
    const scalar_t* dx, const scalar_t* dy, int64_t source_row, const Extent& extent) {
  const auto y0 = static_cast<scalar_t>(source_row - extent.border_rows);
  const auto x0 = static_cast<int32_t>(-extent.border_columns);
  int32_t first = std::numeric_limits<int32_t>::max();
  int32_t last = -1;
  for (int32_t i = 0; i < extent.source_width(); ++i) {
    const scalar_t x = static_cast<scalar_t>(x0 + i) + dx[i];
    const scalar_t y = y0 + dy[i];
    const bool lands = touches(x, extent.width) & touches(y, extent.height);
    const auto top = static_cast<int32_t>(std::floor(lands ? y : scalar_t(0)));
    first = std::min(first, lands ? top : std::numeric_limits<int32_t>::max());
    last = std::max(last, lands ? top + 1 : -1);
  }
  return {first, last};
}

// Target rows [begin, end) with a rim of one pixel on every side: all four corners of whatever
// touches the band are added without asking which of them lie inside; the rim is never read.
template <typename scalar_t, int lanes>
class Band {
 public:
  using Pack = typename PackOf<scalar_t, lanes>::type;

  Band(const Extent& extent, int64_t max_height)
      : extent_(extent),
        stride_(extent.width + 2),
        sums_(new Pack[(max_height + 2) * stride_]),
        values_(extent.source_width()),
        weights_(extent.source_width()),
        slots_(extent.source_width()),
        across_(extent.source_width()),
        down_(extent.source_width()) {}

  void reset(int64_t begin, int64_t end) {
    begin_ = begin;
    end_ = end;
    std::fill_n(sums_.get(), (end - begin + 2) * stride_, Pack{});
  }

  // Adds what the sources, each of them scaled by its weight, leave on the band.
  void add(
      const std::array<Plane<scalar_t>, lanes>& planes, Plane<scalar_t> weights, scalar_t scale,
      const Field<scalar_t>& field) {
    for (int64_t row = 0; row < extent_.source_height(); ++row) {
      if (field.reach[row].first >= end_ || field.reach[row].second < begin_) {
        continue;
      }
      read_sources(planes, weights, scale, reflect(row - extent_.border_rows, extent_.height));
      const int64_t offset = row * extent_.source_width();
      find_targets(field.dx + offset, field.dy + offset, row - extent_.border_rows);
      add_row();
    }
  }

  Pack* row(int64_t index) { return sums_.get() + (index - begin_ + 1) * stride_ + 1; }

 private:
  // Interleaves one row of the map and continues it into the border.
  void read_sources(
      const std::array<Plane<scalar_t>, lanes>& planes, Plane<scalar_t> weights, scalar_t scale,
      int64_t row) {
    std::array<const scalar_t*, lanes> inputs;
    for (int k = 0; k < lanes; ++k) {
      inputs[k] = planes[k].row(row);
    }
    const int64_t border = extent_.border_columns;
    const scalar_t* weight_row = weights.row(row);
    for (int64_t i = 0; i < extent_.width; ++i) {
      const scalar_t weight = weight_row[i] * scale;
      Pack value;
      for (int k = 0; k < lanes; ++k) {
        value[k] = inputs[k][i];
      }
      weights_[border + i] = weight;
      values_[border + i] = value * weight;
    }
    for (int64_t i = 0; i < border; ++i) {
      continue_row(i, reflect(i - border, extent_.width) + border);
      const int64_t right = extent_.width + i;
      continue_row(border + right, reflect(right, extent_.width) + border);
    }
  }

  void continue_row(int64_t to, int64_t from) {
    weights_[to] = weights_[from];
    values_[to] = values_[from];
  }

  // Finds the upper left of each source's four pixels, -1 if it leaves nothing on the band.
  void find_targets(const scalar_t* dx, const scalar_t* dy, int64_t row) {
    const auto x0 = static_cast<int32_t>(-extent_.border_columns);
    const auto y0 = static_cast<scalar_t>(row);
    const auto above = static_cast<scalar_t>(begin_ - 1);
    const auto below = static_cast<scalar_t>(end_);
    const auto top = static_cast<int32_t>(begin_ - 1);
    const auto stride = static_cast<int32_t>(stride_);
    const auto count = static_cast<int32_t>(extent_.source_width());
    const scalar_t* weights = weights_.data();
    int32_t* slots = slots_.data();
    scalar_t* across = across_.data();
    scalar_t* down = down_.data();
    for (int32_t i = 0; i < count; ++i) {
      const scalar_t x = static_cast<scalar_t>(x0 + i) + dx[i];
      const scalar_t y = y0 + dy[i];
      const bool lands =
          touches(x, extent_.width) & (y > above) & (y < below) & (weights[i] != scalar_t(0));
      const scalar_t floor_x = std::floor(lands ? x : scalar_t(0));
      const scalar_t floor_y = std::floor(lands ? y : scalar_t(0));
      across[i] = x - floor_x;
      down[i] = y - floor_y;
      const auto slot = (static_cast<int32_t>(floor_y) - top) * stride +
          static_cast<int32_t>(floor_x) + 1;
      slots[i] = lands ? slot : -1;
    }
  }

  void add_row() {
    const int64_t count = extent_.source_width();
    for (int64_t i = 0; i < count; ++i) {
      if (slots_[i] < 0) {
        continue;
      }
      const Pack value = values_[i];
      const CornerWeights<scalar_t> weights = corner_weights(across_[i], down_[i]);
      Pack* target = sums_.get() + slots_[i];
      target[0] += value * weights.upper_left;
      target[1] += value * weights.upper_right;
      target[stride_] += value * weights.lower_left;
      target[stride_ + 1] += value * weights.lower_right;
    }
  }

  Extent extent_;
  int64_t stride_, begin_ = 0, end_ = 0;
  std::unique_ptr<Pack[]> sums_;
  std::vector<Pack> values_;
  std::vector<scalar_t> weights_;
  std::vector<int32_t> slots_;
  std::vector<scalar_t> across_, down_;
};

}  // namespace stylecinegan
