// Euler integration (Eq. 1) and the resizing of vector fields on the CPU.
#pragma once

#include "cpu.h"

namespace stylecinegan {

template <bool is_nearest, typename scalar_t>
SIMD_LOOP void euler_step_row(
    const scalar_t* RESTRICT along_x, const scalar_t* RESTRICT along_y,
    const scalar_t* RESTRICT state_x, const scalar_t* RESTRICT state_y,
    scalar_t* RESTRICT moved_x, scalar_t* RESTRICT moved_y, int32_t row, int32_t height,
    int32_t width) {
  for (int32_t column = 0; column < width; ++column) {
    euler_step_at<is_nearest>(
        along_x, along_y, state_x, state_y, moved_x, moved_y, row, column, height, width);
  }
}

inline Tensor euler_step_cpu(const Tensor& displacement_, const Tensor& motion_, bool is_nearest) {
  const Tensor displacement = contiguous(displacement_), motion = contiguous(motion_);
  check_step(displacement, motion);
  const Tensor moved = torch::stable::new_empty(displacement, displacement.sizes());
  const auto height = static_cast<int32_t>(motion.size(2));
  const auto width = static_cast<int32_t>(motion.size(3));
  const int64_t area = int64_t{height} * width;
  dispatch(motion, [&](auto type) {
    using scalar_t = decltype(type);
    const auto step_row =
        is_nearest ? euler_step_row<true, scalar_t> : euler_step_row<false, scalar_t>;
    const auto* field = data_of<scalar_t>(motion);
    const auto* state = data_of<scalar_t>(displacement);
    auto* output = mutable_data_of<scalar_t>(moved);
    parallel_for(0, motion.size(0) * height, 32, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t plane = i / height * 2 * area, row = plane + i % height * width;
        step_row(
            field + plane, field + plane + area, state + row, state + row + area, output + row,
            output + row + area, static_cast<int32_t>(i % height), height, width);
      }
    });
  });
  return moved;
}

// Resizes two planes, x and y, and scales their values along.
template <typename scalar_t>
void resize_field(
    const scalar_t* field, int64_t height, int64_t width, scalar_t* output, int64_t new_height,
    int64_t new_width) {
  const bool is_smaller = new_height * new_width < height * width;
  const Axis<scalar_t> columns(width, new_width);
  const Areas areas(width, new_width);
  parallel_for(0, 2 * new_height, 32, [&](int64_t begin, int64_t end) {
    std::vector<scalar_t> buffer(width + 2);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t plane = i / new_height, row = i % new_height;
      const scalar_t scale = plane == 0
          ? static_cast<scalar_t>(new_width) / static_cast<scalar_t>(width)
          : static_cast<scalar_t>(new_height) / static_cast<scalar_t>(height);
      const scalar_t* input = field + plane * height * width;
      scalar_t* target = output + i * new_width;
      if (is_smaller) {
        shrink_row(
            input, width, area_begin(row, height, new_height), area_end(row, height, new_height),
            areas, new_width, scale, buffer.data(), target);
      } else {
        enlarge_row(
            input, height, width, resized_place<scalar_t>(row, height, new_height), columns, 0,
            new_width, scale, buffer.data(), target);
      }
    }
  });
}

inline Tensor resize_displacement_cpu(
    const Tensor& displacement_, int64_t new_height, int64_t new_width) {
  const Tensor displacement = contiguous(displacement_);
  check_resizing(displacement, new_height, new_width);
  const int64_t batches = displacement.size(0);
  const int64_t height = displacement.size(2), width = displacement.size(3);
  const Tensor resized =
      torch::stable::new_empty(displacement, {batches, 2, new_height, new_width});
  dispatch(displacement, [&](auto type) {
    using scalar_t = decltype(type);
    for (int64_t batch = 0; batch < batches; ++batch) {
      resize_field(
          data_of<scalar_t>(displacement) + batch * 2 * height * width, height, width,
          mutable_data_of<scalar_t>(resized) + batch * 2 * new_height * new_width, new_height,
          new_width);
    }
  });
  return resized;
}

}  // namespace stylecinegan
