// A frame of the loop on the CPU.
#pragma once

#include "level_cpu.h"

namespace stylecinegan {

// The sum of the coarser levels, enlarged row by row.
class Coarser {
 public:
  // Without a canvas there are none.
  Coarser(const Canvas* sum, const Extent& from, const Extent& to, bool fades)
      : sum_(sum), from_(from), to_(to), columns_(from.width, to.width), fades_(fades) {}

  int64_t buffer_size() const { return from_.width + 2; }

  // Adds a row of the larger map, columns [left, right), to colours.
  void add(int64_t row, int64_t left, int64_t right, Colour* buffer, Colour* colours) const {
    if (sum_ == nullptr) {
      return;
    }
    const auto place = resized_place<float>(row, from_.height, to_.height);
    const Box& box = sum_->box;
    Colour* mixed = buffer + 1;
    const Colour* upper = row_of(place.first);
    const Colour* lower = row_of(place.first + 1);
    const float upper_share = upper == nullptr ? 0.0f : 1.0f - place.share;
    const float lower_share = lower == nullptr ? 0.0f : place.share;
    upper = upper == nullptr ? lower : upper;
    lower = lower == nullptr ? upper : lower;
    for (int64_t x = box.left; x < box.right; ++x) {
      mixed[x] = upper[x - box.left] * upper_share + lower[x - box.left] * lower_share;
    }
    mixed[box.left - 1] = fades_ ? Colour{} : mixed[box.left];
    mixed[box.right] = fades_ ? Colour{} : mixed[box.right - 1];
    const int32_t* first = columns_.first();
    const float* share = columns_.share();
    for (int64_t x = left; x < right; ++x) {
      const Colour* at = mixed + first[x];
      colours[x - left] += at[0] * (1.0f - share[x]) + at[1] * share[x];
    }
  }

 private:
  const Colour* row_of(int64_t row) const {
    if (fades_ && (row < 0 || row >= from_.height)) {
      return nullptr;
    }
    return sum_->row(std::clamp<int64_t>(row, 0, from_.height - 1));
  }

  const Canvas* sum_;
  Extent from_, to_;
  Axis<float> columns_;
  bool fades_;
};

// Writes a row of the frame: rest + mask times colours, clamped.
inline void compose_row(
    const Frame& frame, int64_t row, const Colour* colours, float* output) {
  const int64_t height = frame.rest.size(2), width = frame.rest.size(3);
  const float* mask = data_of<float>(frame.mask) + row * width;
  for (int64_t k = 0; k < 3; ++k) {
    const int64_t offset = (k * height + row) * width;
    const float* rest = data_of<float>(frame.rest) + offset;
    for (int64_t x = frame.box.left; x < frame.box.right; ++x) {
      const float value = rest[x] + mask[x] * colours[x - frame.box.left][k];
      output[offset + x] = std::min(std::max(value, -1.0f), 1.0f);
    }
  }
}

// Copies what lies outside the box in a row.
inline void copy_still(const Frame& frame, int64_t row, float* output) {
  const int64_t height = frame.rest.size(2), width = frame.rest.size(3);
  const bool moves = row >= frame.box.top && row < frame.box.bottom;
  const int64_t left = moves ? frame.box.left : width, right = moves ? frame.box.right : width;
  for (int64_t k = 0; k < 3; ++k) {
    const int64_t offset = (k * height + row) * width;
    const float* rest = data_of<float>(frame.rest) + offset;
    const auto copy = [&](int64_t begin, int64_t end) {
      for (int64_t x = begin; x < end; ++x) {
        output[offset + x] = std::min(std::max(rest[x], -1.0f), 1.0f);
      }
    };
    copy(0, left);
    copy(right, width);
  }
}

inline Tensor render_frame_cpu(const Frame& frame) {
  const auto boxes = needed_boxes(frame);
  const auto displacements = displacements_of(frame);
  const auto count = static_cast<int64_t>(frame.levels.size());
  const Tensor rendered = torch::stable::new_empty(frame.rest, frame.rest.sizes());
  auto* output = mutable_data_of<float>(rendered);
  parallel_for(0, frame.rest.size(2), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      copy_still(frame, row, output);
    }
  });
  std::optional<Canvas> sum;  // of the levels so far
  for (int64_t level = 0; level < count; ++level) {
    const Extent extent = frame.extent(level);
    const bool is_last = level == count - 1;
    const Box& box = boxes[level];
    const Coarser coarser(
        sum ? &*sum : nullptr, frame.extent(std::max<int64_t>(level - 1, 0)), extent,
        frame.edges_fade);
    std::optional<Canvas> next;
    if (!is_last) {
      next.emplace(box, frame.rest);
    }
    const LevelWarp warp(frame, level, displacements[level]);
    warp.warp(box, coarser.buffer_size(), [&](int64_t row, Colour* colours, Colour* scratch) {
      coarser.add(row, box.left, box.right, scratch, colours);
      if (is_last) {
        compose_row(frame, row, colours, output);
      } else {
        std::copy_n(colours, box.width(), next->row(row));
      }
    });
    sum = std::move(next);
  }
  return rendered;
}

}  // namespace stylecinegan
