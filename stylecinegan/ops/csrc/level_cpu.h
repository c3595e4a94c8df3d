// A level of a frame on the CPU: its warp (Eq. 3), its holes, and the sum with coarser levels.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include "contrast.h"
#include "displacement.h"
#include "sharpness.h"

namespace stylecinegan {

using Colour = PackOf<float, 4>::type;

// A part of a level: colours from the upper left of a box on.
struct Canvas {
  Canvas(const Box& box, const Tensor& like)
      : box(box), memory(torch::stable::new_empty(like, {box.height() * box.width() * 4})) {}

  Colour* row(int64_t index) const {
    return static_cast<Colour*>(memory.mutable_data_ptr()) + (index - box.top) * box.width();
  }

  Box box;
  Tensor memory;
};

// Both displacements of each level: averages for those that are coarser than what is given.
inline std::vector<std::array<Tensor, 2>> displacements_of(const Frame& frame) {
  const auto count = static_cast<int64_t>(frame.levels.size());
  std::vector<std::array<Tensor, 2>> displacements(count, {frame.from_start, frame.from_end});
  for (int64_t level = count - 1; level >= 0; --level) {
    const Extent extent = frame.extent(level);
    const int64_t height = extent.source_height(), width = extent.source_width();
    if (!frame.is_coarse(extent)) {
      continue;
    }
    // The mean of the means of the next finer level is the same, and a quarter of the work.
    if (level + 1 < count) {
      const auto& finer = displacements[level + 1];
      if (finer[0].size(2) == 2 * height && finer[0].size(3) == 2 * width) {
        displacements[level] = finer;
      }
    }
    for (Tensor& displacement : displacements[level]) {
      displacement = resize_displacement_cpu(displacement, height, width);
    }
  }
  return displacements;
}

SIMD_LOOP inline void find_sharpness(
    const float* RESTRICT dx, const float* RESTRICT dy, int64_t count, float loss_x, float loss_y,
    float* RESTRICT factors) {
  for (int64_t i = 0; i < count; ++i) {
    factors[i] = sharpness_factor(dx[i], dy[i], loss_x, loss_y);
  }
}

// Mean of what surrounds a hole, without other holes; 0 where there is nothing else.
inline Colour hole_filling(const Colour* warped, const Box& box, int64_t row, int64_t column) {
  Colour sum{};
  float count = 0;
  for (int64_t y = std::max(row - kHoleReach, box.top);
       y < std::min(row + kHoleReach + 1, box.bottom); ++y) {
    const Colour* colours = warped + (y - box.top) * box.width() - box.left;
    for (int64_t x = std::max(column - kHoleReach, box.left);
         x < std::min(column + kHoleReach + 1, box.right); ++x) {
      if (colours[x][3] > 0) {
        sum += colours[x];
        count += 1;
      }
    }
  }
  return sum / std::max(count, 1.0f);
}

// Warps one level, band by band. The blend is in the first three lanes of a colour, without the loss
// of contrast made up for; the last lane has the factor that does so, or -1 in a hole.
class LevelWarp {
 public:
  LevelWarp(const Frame& frame, int64_t level, const std::array<Tensor, 2>& displacements)
      : frame_(frame),
        extent_(frame.extent(level)),
        packed_(static_cast<const Colour*>(frame.levels[level].const_data_ptr())),
        start_(fields_of<float>(displacements[0], extent_)),
        end_(fields_of<float>(displacements[1], extent_)),
        contrast_(frame, level, extent_),
        loss_x_(frame.loss(level)[0]),
        loss_y_(frame.loss(level)[1]) {}

  // Calls finish(row, colours, scratch) for the rows of a box, contrast restored and holes filled,
  // while they are in a core's cache. `scratch` is a thread's own, of a size.
  template <typename Finish>
  void warp(const Box& box, int64_t scratch_size, Finish finish) const {
    const int64_t bands = (box.height() + kRowsOfBand - 1) / kRowsOfBand;
    const Box wide = box.grown(kHoleReach, extent_);
    const auto make_memory = [&] { return Memory(*this, wide, scratch_size); };
    share_out(bands, make_memory, [&](int64_t i, Memory& memory) {
      const int64_t top = box.top + i * kRowsOfBand;
      const Box part{top, std::min(top + kRowsOfBand, box.bottom), box.left, box.right};
      Colour* colours = memory.row.data();
      fill_band(part, memory);
      bool has_holes = false;
      for (int64_t y = part.top; y < part.bottom; ++y) {
        has_holes |= write_row(y, part, memory, colours);
        for (int64_t x = 0; x < part.width(); ++x) {
          colours[x] *= std::abs(colours[x][3]);
        }
        finish(y, colours, memory.scratch.data());
      }
      // Holes are rare: the band is then warped again, with what surrounds it.
      if (has_holes && frame_.fills_holes) {
        finish_with_holes(part, memory, finish);
      }
    });
  }

 private:
  struct Memory {
    Memory(const LevelWarp& warp, const Box& box, int64_t scratch_size)
        : band(
              std::min(kRowsOfBand + 2 * kHoleReach, box.height()), box.width(),
              warp.extent_.source_width()),
          values(warp.extent_.source_width()),
          buffer(warp.start_[0].buffer_size()),
          sharpness(warp.extent_.source_width()),
          start((kRowsOfBand + 2 * kHoleReach) * box.width()),
          total(box.width()),
          factors(box.width()),
          row(box.width()),
          scratch(scratch_size),
          contrast(warp.contrast_.make_rows()) {}

    float* start_of(int64_t row, const Box& part) {
      return start.data() + (row - part.top) * part.width();
    }

    Band<float, 4> band;
    std::vector<Colour> values;
    std::vector<float> buffer, sharpness, start, total, factors;
    std::vector<Colour> row, scratch, canvas;
    Contrast::Rows contrast;
  };

  void fill_band(const Box& part, Memory& memory) const {
    memory.band.reset(part);
    add(start_[0], 1 - frame_.progress, part, memory);
    for (int64_t y = part.top; y < part.bottom; ++y) {
      take_weights(memory.band.row(y), part.width(), memory.start_of(y, part));
    }
    add(end_[0], frame_.progress, part, memory);
  }

  template <typename Finish>
  void finish_with_holes(const Box& part, Memory& memory, Finish finish) const {
    const Box wide = part.grown(kHoleReach, extent_);
    memory.canvas.resize(wide.height() * wide.width());
    fill_band(wide, memory);
    for (int64_t y = wide.top; y < wide.bottom; ++y) {
      Colour* warped = memory.canvas.data() + (y - wide.top) * wide.width();
      write_row(y, wide, memory, warped);
    }
    Colour* colours = memory.row.data();
    for (int64_t y = part.top; y < part.bottom; ++y) {
      const Colour* warped = memory.canvas.data() + (y - wide.top) * wide.width() - wide.left;
      for (int64_t x = part.left; x < part.right; ++x) {
        colours[x - part.left] = warped[x][3] < 0 ? hole_filling(memory.canvas.data(), wide, y, x)
                                                  : warped[x] * std::abs(warped[x][3]);
      }
      finish(y, colours, memory.scratch.data());
    }
  }

  void add(const Field<float>& field, float scale, const Box& part, Memory& memory) const {
    if (scale == 0) {
      return;
    }
    for (int64_t y = 0; y < extent_.source_height(); ++y) {
      const auto row = field.row(y, part, memory.buffer.data());
      if (row.count > 0) {
        const Colour* values = continued(row, memory.values.data());
        memory.band.add(sharpened(row, values, memory), row, scale);
      }
    }
  }

  // The colours of a row of sources; outside the map they are mirrored.
  const Colour* continued(const SourceRow<float>& sources, Colour* values) const {
    const Colour* row = packed_ + reflect(sources.row, extent_.height) * extent_.width;
    if (sources.column >= 0 && sources.column + sources.count <= extent_.width) {
      return row + sources.column;
    }
    const int64_t begin = std::clamp<int64_t>(-sources.column, 0, sources.count);
    const int64_t end = std::clamp<int64_t>(extent_.width - sources.column, begin, sources.count);
    for (int64_t i = 0; i < begin; ++i) {
      values[i] = row[reflect(sources.column + i, extent_.width)];
    }
    std::copy_n(row + sources.column + begin, end - begin, values + begin);
    for (int64_t i = end; i < sources.count; ++i) {
      values[i] = row[reflect(sources.column + i, extent_.width)];
    }
    return values;
  }

  // Colours that make up for landing between pixels; weights are left.
  const Colour* sharpened(
      const SourceRow<float>& sources, const Colour* values, Memory& memory) const {
    if (loss_x_ == 0 && loss_y_ == 0) {
      return values;
    }
    float* RESTRICT factors = memory.sharpness.data();
    find_sharpness(sources.dx, sources.dy, sources.count, loss_x_, loss_y_, factors);
    Colour* sharp = memory.values.data();
    for (int64_t i = 0; i < sources.count; ++i) {
      sharp[i] = values[i] * Colour{factors[i], factors[i], factors[i], 1.0f};
    }
    return sharp;
  }

  static void take_weights(const Colour* sums, int64_t width, float* RESTRICT weights) {
    for (int64_t x = 0; x < width; ++x) {
      weights[x] = sums[x][3];
    }
  }

  // Divides a row by its weights; returns whether it has holes.
  bool write_row(int64_t y, const Box& part, Memory& memory, Colour* blended) const {
    const int64_t width = part.width();
    const Colour* sums = memory.band.row(y);
    float* RESTRICT total = memory.total.data();
    float* RESTRICT factors = memory.factors.data();
    take_weights(sums, width, total);
    contrast_.find(y, part, memory.start_of(y, part), total, memory.contrast, factors);
    int holes = 0;
    for (int64_t x = 0; x < width; ++x) {
      const bool is_hole = !(total[x] > 0);
      holes |= is_hole;
      factors[x] = is_hole ? -1.0f : factors[x];
      total[x] = total[x] < frame_.smallest_weight ? 0.0f : 1.0f / total[x];
    }
    for (int64_t x = 0; x < width; ++x) {
      Colour colour = sums[x] * total[x];
      colour[3] = factors[x];
      blended[x] = colour;
    }
    return holes != 0;
  }

  const Frame& frame_;
  Extent extent_;
  const Colour* packed_;
  std::vector<Field<float>> start_, end_;
  Contrast contrast_;
  float loss_x_, loss_y_;
};

}  // namespace stylecinegan
