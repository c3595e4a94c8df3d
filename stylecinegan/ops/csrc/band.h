// A band of target rows on the CPU, and how sources are added to it.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "field.h"
#include "splatting.h"

namespace stylecinegan {

template <typename scalar_t, int lanes>
struct PackOf {
  typedef scalar_t type __attribute__((vector_size(lanes * sizeof(scalar_t))));
};

// Lanes of a 256-bit register, for maps of many channels.
template <typename scalar_t>
constexpr int kWidePack = 32 / sizeof(scalar_t);

// Finds the weights of each source's four pixels, and the place of the upper left one in a box with
// a rim; -1 if it leaves nothing in the box.
template <typename scalar_t>
SIMD_LOOP void find_targets(
    const scalar_t* RESTRICT dx, const scalar_t* RESTRICT dy, int32_t count, int32_t column,
    scalar_t row, Box box, scalar_t scale, int32_t* RESTRICT slots, scalar_t* RESTRICT upper_left,
    scalar_t* RESTRICT upper_right, scalar_t* RESTRICT lower_left,
    scalar_t* RESTRICT lower_right) {
  const auto before = static_cast<scalar_t>(box.left - 1);
  const auto behind = static_cast<scalar_t>(box.right);
  const auto above = static_cast<scalar_t>(box.top - 1);
  const auto below = static_cast<scalar_t>(box.bottom);
  const auto left = static_cast<int32_t>(box.left - 1), top = static_cast<int32_t>(box.top - 1);
  const auto stride = static_cast<int32_t>(box.width() + 2);
  for (int32_t i = 0; i < count; ++i) {
    const scalar_t x = static_cast<scalar_t>(column + i) + dx[i];
    const scalar_t y = row + dy[i];
    // False for NaN; what is true fits an integer.
    const bool lands = (x > before) & (x < behind) & (y > above) & (y < below);
    const scalar_t inner_x = lands ? x : scalar_t(0), inner_y = lands ? y : scalar_t(0);
    const scalar_t floor_x = std::floor(inner_x), floor_y = std::floor(inner_y);
    const auto corners = corner_weights(inner_x - floor_x, inner_y - floor_y);
    upper_left[i] = corners.upper_left * scale;
    upper_right[i] = corners.upper_right * scale;
    lower_left[i] = corners.lower_left * scale;
    lower_right[i] = corners.lower_right * scale;
    const auto slot = (static_cast<int32_t>(floor_y) - top) * stride +
        static_cast<int32_t>(floor_x) - left;
    slots[i] = lands ? slot : -1;
  }
}

// A box of targets with a rim of one pixel on every side: all four corners of whatever touches the
// box are added without asking which of them lie inside; the rim is never read.
template <typename scalar_t, int lanes>
class Band {
 public:
  using Pack = typename PackOf<scalar_t, lanes>::type;

  Band(int64_t max_height, int64_t max_width, int64_t max_sources)
      : sums_(new Pack[(max_height + 2) * (max_width + 2)]),
        slots_(max_sources),
        upper_left_(max_sources),
        upper_right_(max_sources),
        lower_left_(max_sources),
        lower_right_(max_sources) {}

  void reset(const Box& box) {
    box_ = box;
    stride_ = box.width() + 2;
    std::fill_n(sums_.get(), (box.height() + 2) * stride_, Pack{});
  }

  // Adds what a row of sources leaves on the band, each of them scaled.
  void add(const Pack* values, const SourceRow<scalar_t>& sources, scalar_t scale) {
    const auto count = static_cast<int32_t>(sources.count);
    find_targets(
        sources.dx, sources.dy, count, static_cast<int32_t>(sources.column),
        static_cast<scalar_t>(sources.row), box_, scale, slots_.data(), upper_left_.data(),
        upper_right_.data(), lower_left_.data(), lower_right_.data());
    // The right column of one source is mostly the left one of the next: it stays in registers.
    Pack* const sums = sums_.get();
    const int64_t stride = stride_;
    int64_t held = -1;
    Pack upper{}, lower{};
    for (int32_t i = 0; i < count; ++i) {
      const int64_t slot = slots_[i];
      if (slot < 0) {
        continue;
      }
      if (slot != held) {
        if (held >= 0) {
          sums[held] = upper;
          sums[held + stride] = lower;
        }
        upper = sums[slot];
        lower = sums[slot + stride];
      }
      const Pack value = values[i];
      sums[slot] = upper + value * upper_left_[i];
      sums[slot + stride] = lower + value * lower_left_[i];
      held = slot + 1;
      upper = sums[held] + value * upper_right_[i];
      lower = sums[held + stride] + value * lower_right_[i];
    }
    if (held >= 0) {
      sums[held] = upper;
      sums[held + stride] = lower;
    }
  }

  // The sums of a row, from the left of the box on.
  Pack* row(int64_t index) { return sums_.get() + (index - box_.top + 1) * stride_ + 1; }

 private:
  Box box_{};
  int64_t stride_ = 0;
  std::unique_ptr<Pack[]> sums_;
  std::vector<int32_t> slots_;
  std::vector<scalar_t> upper_left_, upper_right_, lower_left_, lower_right_;
};

}  // namespace stylecinegan
