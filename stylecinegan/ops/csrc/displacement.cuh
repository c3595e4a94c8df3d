// Euler integration (Eq. 1) and the resizing of vector fields on CUDA.
#pragma once

#include "launch.cuh"
#include "sampling.h"

namespace stylecinegan {

template <bool is_nearest, typename scalar_t>
__global__ void euler_step_kernel(
    const scalar_t* motion, const scalar_t* state, scalar_t* moved, int64_t batches,
    int32_t height, int32_t width) {
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  const int64_t area = int64_t{height} * width;
  if (index >= batches * area) {
    return;
  }
  const int64_t plane = index / area * 2 * area;
  const auto row = static_cast<int32_t>(index % area / width);
  const auto column = static_cast<int32_t>(index % width);
  const int64_t first = plane + int64_t{row} * width;
  euler_step_at<is_nearest>(
      motion + plane, motion + plane + area, state + first, state + first + area, moved + first,
      moved + first + area, row, column, height, width);
}

inline Tensor euler_step_cuda(
    const Tensor& displacement_, const Tensor& motion_, bool is_nearest) {
  const Tensor displacement = contiguous(displacement_), motion = contiguous(motion_);
  check_step(displacement, motion);
  const DeviceGuard guard(motion.get_device_index());
  const Tensor moved = torch::stable::new_empty(displacement, displacement.sizes());
  const auto launch = launch_over(motion.numel() / 2, 1, motion);
  dispatch(motion, [&](auto type) {
    using scalar_t = decltype(type);
    const auto kernel =
        is_nearest ? euler_step_kernel<true, scalar_t> : euler_step_kernel<false, scalar_t>;
    kernel<<<launch.grid, kThreads, 0, launch.stream>>>(
        data_of<scalar_t>(motion), data_of<scalar_t>(displacement),
        mutable_data_of<scalar_t>(moved), motion.size(0), static_cast<int32_t>(motion.size(2)),
        static_cast<int32_t>(motion.size(3)));
  });
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return moved;
}

// A value between pixels of a plane whose border goes on.
template <typename scalar_t>
__device__ scalar_t enlarged_at(
    const scalar_t* plane, int64_t height, int64_t width, int64_t row, int64_t column,
    int64_t new_height, int64_t new_width) {
  const auto y = resized_place<scalar_t>(row, height, new_height);
  const auto x = resized_place<scalar_t>(column, width, new_width);
  const scalar_t* upper = plane + max(y.first, 0) * width;
  const scalar_t* lower = plane + min(int64_t{y.first} + 1, height - 1) * width;
  const int64_t left = max(x.first, 0), right = min(int64_t{x.first} + 1, width - 1);
  return mix(
      mix(upper[left], upper[right], x.share), mix(lower[left], lower[right], x.share), y.share);
}

template <typename scalar_t>
__device__ scalar_t area_mean(
    const scalar_t* plane, int64_t height, int64_t width, int64_t row, int64_t column,
    int64_t new_height, int64_t new_width) {
  const int64_t top = area_begin(row, height, new_height);
  const int64_t bottom = area_end(row, height, new_height);
  const int64_t left = area_begin(column, width, new_width);
  const int64_t right = area_end(column, width, new_width);
  scalar_t sum = 0;
  for (int64_t y = top; y < bottom; ++y) {
    for (int64_t x = left; x < right; ++x) {
      sum += plane[y * width + x];
    }
  }
  return sum / static_cast<scalar_t>((bottom - top) * (right - left));
}

template <typename scalar_t>
__global__ void resize_kernel(
    const scalar_t* field, scalar_t* resized, int64_t batches, int64_t height, int64_t width,
    int64_t new_height, int64_t new_width) {
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  const int64_t area = new_height * new_width;
  if (index >= batches * 2 * area) {
    return;
  }
  const int64_t plane = index / area, row = index % area / new_width, column = index % new_width;
  const scalar_t scale = plane % 2 == 0
      ? static_cast<scalar_t>(new_width) / static_cast<scalar_t>(width)
      : static_cast<scalar_t>(new_height) / static_cast<scalar_t>(height);
  const scalar_t* input = field + plane * height * width;
  const auto read = area < height * width ? area_mean<scalar_t> : enlarged_at<scalar_t>;
  resized[index] = scale * read(input, height, width, row, column, new_height, new_width);
}

inline Tensor resize_displacement_cuda(
    const Tensor& displacement_, int64_t new_height, int64_t new_width) {
  const Tensor displacement = contiguous(displacement_);
  check_resizing(displacement, new_height, new_width);
  const DeviceGuard guard(displacement.get_device_index());
  const int64_t batches = displacement.size(0);
  const Tensor resized =
      torch::stable::new_empty(displacement, {batches, 2, new_height, new_width});
  const auto launch = launch_over(resized.numel(), 1, displacement);
  dispatch(displacement, [&](auto type) {
    using scalar_t = decltype(type);
    resize_kernel<scalar_t><<<launch.grid, kThreads, 0, launch.stream>>>(
        data_of<scalar_t>(displacement), mutable_data_of<scalar_t>(resized), batches,
        displacement.size(2), displacement.size(3), new_height, new_width);
  });
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return resized;
}

}  // namespace stylecinegan
