// Contrast preservation on the CPU: what the blend of two unrelated textures loses is restored.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "cpu.h"
#include "frame.h"

namespace stylecinegan {

// exp(-x) for x >= 0 to 2e-7, in operations that a compiler turns into SIMD.
inline float exp_of_negative(float x) {
  const float power = -std::min(x, 80.0f) * 1.44269504f;
  const float whole = std::floor(power);
  const float rest = power - whole;
  // 2^rest is √2 times 2^(rest - 1/2), whose series converges fast.
  const float t = (rest - 0.5f) * 0.693147181f;
  const float series = 1.0f +
      t * (1.0f + t * (0.5f + t * (0.166666667f + t * (0.0416666667f + t * (0.00833333333f +
      t * 0.00138888889f)))));
  const int32_t bits = (static_cast<int32_t>(whole) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return series * 1.41421356f * scale;
}

// ρ = exp(-(d/λ)²) where two displacements differ by d; scale is 1/λ.
SIMD_LOOP inline void correlate_row(
    const float* RESTRICT start_x, const float* RESTRICT start_y, const float* RESTRICT end_x,
    const float* RESTRICT end_y, float scale, int64_t count, float* RESTRICT correlation) {
  for (int64_t i = 0; i < count; ++i) {
    const float x = (start_x[i] - end_x[i]) * scale;
    const float y = (start_y[i] - end_y[i]) * scale;
    correlation[i] = exp_of_negative(x * x + y * y);
  }
}

// Rows of 1 / sqrt(a² + b² + 2abρ): a and b are the shares of both directions in a pixel of a
// level, ρ = exp(-(d/λ)²) correlates what lies d apart.
class Contrast {
 public:
  struct Rows {
    std::vector<float> correlation[2];  // of two neighbouring rows of the displacements …
    int64_t index[2] = {-1, -1};  // … with these numbers
    std::vector<float> mixed;
  };

  Contrast(const Frame& frame, int64_t level, const Extent& extent)
      : frame_(frame),
        keeps_(frame.keeps_contrast(level)),
        height_(extent.height),
        columns_(frame.inner_width(), extent.width),
        scale_(static_cast<float>(extent.width) / static_cast<float>(frame.inner_width())) {}

  Rows make_rows() const {
    Rows rows;
    const auto width = static_cast<size_t>(keeps_ ? frame_.inner_width() : 0);
    rows.correlation[0].resize(width);
    rows.correlation[1].resize(width);
    rows.mixed.resize(width + 2);
    return rows;
  }

  // Factors of the columns of a box in a row, from the weights of frame 0 and of both frames.
  void find(
      int64_t row, const Box& box, const float* start, const float* total, Rows& rows,
      float* RESTRICT factors) const {
    const int64_t count = box.width();
    if (!keeps_) {
      std::fill_n(factors, count, 1.0f);
      return;
    }
    mix_rows(row, rows);
    const float* mixed = rows.mixed.data() + 1;
    const int32_t* first = columns_.first() + box.left;
    const float* share = columns_.share() + box.left;
    for (int64_t i = 0; i < count; ++i) {
      factors[i] = mix(mixed[first[i]], mixed[first[i] + 1], share[i]);
    }
    for (int64_t i = 0; i < count; ++i) {
      const float a = start[i] / std::max(total[i], frame_.smallest_weight);
      factors[i] = 1.0f / std::sqrt(1.0f - 2.0f * (a - a * a) * (1.0f - factors[i]));
    }
  }

 private:
  void mix_rows(int64_t row, Rows& rows) const {
    const int64_t width = frame_.inner_width();
    const auto place = resized_place<float>(row, frame_.inner_height(), height_);
    const int64_t upper = std::max(place.first, 0);
    const int64_t lower = std::min<int64_t>(place.first + 1, frame_.inner_height() - 1);
    const float* first = correlations(upper, rows);
    const float* second = correlations(lower, rows);
    float* RESTRICT mixed = rows.mixed.data() + 1;
    for (int64_t i = 0; i < width; ++i) {
      mixed[i] = mix(first[i], second[i], place.share);
    }
    mixed[-1] = mixed[0];
    mixed[width] = mixed[width - 1];
  }

  // ρ along a row of the displacements; neighbouring rows lie in different places.
  const float* correlations(int64_t row, Rows& rows) const {
    std::vector<float>& values = rows.correlation[row % 2];
    if (rows.index[row % 2] == row) {
      return values.data();
    }
    rows.index[row % 2] = row;
    const int64_t width = frame_.field_width(), area = frame_.field_height() * width;
    const int64_t offset = (row + frame_.border_rows) * width + frame_.border_columns;
    const float* start = data_of<float>(frame_.from_start) + offset;
    const float* end = data_of<float>(frame_.from_end) + offset;
    correlate_row(
        start, start + area, end, end + area, scale_ / frame_.wavelength, frame_.inner_width(),
        values.data());
    return values.data();
  }

  const Frame& frame_;
  bool keeps_;
  int64_t height_;
  Axis<float> columns_;
  float scale_;
};

}  // namespace stylecinegan
