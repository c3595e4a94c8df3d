// CUDA kernels of the operators. Sums are made by atomic additions and therefore differ in their
// last bits from run to run; Python takes the reference where deterministic results are asked for.
#include <algorithm>
#include <tuple>

#include "displacement.cuh"
#include "frame.cuh"
#include "launch.cuh"
#include "splatting.h"
#include "tensors.h"

namespace stylecinegan {
namespace {

// A thread takes one source and a few channels: enough to share the work of finding its corners.
constexpr int64_t kChannelsOfThread = 8;

template <typename scalar_t>
__global__ void splat_kernel(
    const scalar_t* feature, const scalar_t* displacement, scalar_t* sums, int64_t batches,
    int64_t channels, int64_t height, int64_t width) {
  const int64_t area = height * width;
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (index >= batches * area) {
    return;
  }
  const int64_t batch = index / area, pixel = index % area;
  const scalar_t* field = displacement + batch * 2 * area + pixel;
  const int64_t first = blockIdx.y * kChannelsOfThread;
  const int64_t last = min(first + kChannelsOfThread, channels);
  visit_corners(
      static_cast<scalar_t>(pixel % width) + field[0],
      static_cast<scalar_t>(pixel / width) + field[area], height, width,
      [&](int64_t offset, scalar_t weight, scalar_t, scalar_t) {
        for (int64_t k = first; k < last; ++k) {
          const int64_t plane = (batch * channels + k) * area;
          atomicAdd(sums + plane + offset, weight * feature[plane + pixel]);
        }
      });
}

template <typename scalar_t>
__global__ void splat_backward_kernel(
    const scalar_t* grad_sums, const scalar_t* feature, const scalar_t* displacement,
    scalar_t* grad_feature, scalar_t* grad_displacement, int64_t batches, int64_t channels,
    int64_t height, int64_t width) {
  const int64_t area = height * width;
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (index >= batches * area) {
    return;
  }
  const int64_t batch = index / area, pixel = index % area;
  const scalar_t* field = displacement + batch * 2 * area + pixel;
  scalar_t along_x = 0, along_y = 0;
  // grad_feature comes zeroed: what lands nowhere keeps a gradient of 0.
  visit_corners(
      static_cast<scalar_t>(pixel % width) + field[0],
      static_cast<scalar_t>(pixel / width) + field[area], height, width,
      [&](int64_t offset, scalar_t weight, scalar_t dweight_dx, scalar_t dweight_dy) {
        scalar_t product = 0;
        for (int64_t k = 0; k < channels; ++k) {
          const int64_t plane = (batch * channels + k) * area;
          const scalar_t upstream = grad_sums[plane + offset];
          grad_feature[plane + pixel] += weight * upstream;
          product += feature[plane + pixel] * upstream;
        }
        along_x += dweight_dx * product;
        along_y += dweight_dy * product;
      });
  grad_displacement[batch * 2 * area + pixel] = along_x;
  grad_displacement[batch * 2 * area + area + pixel] = along_y;
}

// Adds one direction of Eq. 3: weighted features to blended, the weights to one plane of shares.
template <typename scalar_t>
__global__ void joint_splat_kernel(
    const scalar_t* feature, const scalar_t* weight, const scalar_t* displacement,
    scalar_t* blended, scalar_t* shares, int64_t batches, int64_t channels, Extent extent,
    int64_t direction, scalar_t scale) {
  const int64_t area = extent.height * extent.width;
  const int64_t source_width = extent.width + 2 * extent.border_columns;
  const int64_t source_area = (extent.height + 2 * extent.border_rows) * source_width;
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (index >= batches * source_area) {
    return;
  }
  const int64_t batch = index / source_area, source = index % source_area;
  const int64_t row = source / source_width - extent.border_rows;
  const int64_t column = source % source_width - extent.border_columns;
  const int64_t pixel =
      reflect(row, extent.height) * extent.width + reflect(column, extent.width);
  const scalar_t share = weight ? weight[batch * area + pixel] * scale : scale;
  if (share == scalar_t(0)) {
    return;
  }
  const scalar_t* field = displacement + batch * 2 * source_area + source;
  visit_corners(
      static_cast<scalar_t>(column) + field[0], static_cast<scalar_t>(row) + field[source_area],
      extent.height, extent.width, [&](int64_t offset, scalar_t corner, scalar_t, scalar_t) {
        atomicAdd(shares + (batch * 2 + direction) * area + offset, corner * share);
        for (int64_t k = 0; k < channels; ++k) {
          const int64_t plane = (batch * channels + k) * area;
          atomicAdd(blended + plane + offset, corner * (share * feature[plane + pixel]));
        }
      });
}

template <typename scalar_t>
__global__ void normalise_kernel(
    const scalar_t* shares, scalar_t* blended, int64_t batches, int64_t channels, int64_t area,
    scalar_t smallest_weight) {
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (index >= batches * area) {
    return;
  }
  const int64_t batch = index / area, pixel = index % area;
  const scalar_t* share = shares + batch * 2 * area + pixel;
  const scalar_t total = share[0] + share[area];
  for (int64_t k = 0; k < channels; ++k) {
    scalar_t& value = blended[(batch * channels + k) * area + pixel];
    value = total < smallest_weight ? scalar_t(0) : value / total;
  }
}

Tensor splat_cuda(const Tensor& feature_, const Tensor& displacement_) {
  const Tensor feature = contiguous(feature_), displacement = contiguous(displacement_);
  const DeviceGuard guard(feature.get_device_index());
  const Extent extent = extent_of(feature, displacement);
  const int64_t batches = feature.size(0), channels = feature.size(1);
  const Tensor sums = zeros(feature, {batches, channels, extent.height, extent.width});
  if (feature.numel() == 0) {
    return sums;
  }
  const int64_t groups = (channels + kChannelsOfThread - 1) / kChannelsOfThread;
  const auto launch = launch_over(batches * extent.height * extent.width, groups, feature);
  dispatch(feature, [&](auto type) {
    using scalar_t = decltype(type);
    splat_kernel<scalar_t><<<launch.grid, kThreads, 0, launch.stream>>>(
        data_of<scalar_t>(feature), data_of<scalar_t>(displacement),
        mutable_data_of<scalar_t>(sums), batches, channels, extent.height, extent.width);
  });
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return sums;
}

std::tuple<Tensor, Tensor> splat_backward_cuda(
    const Tensor& grad_sums_, const Tensor& feature_, const Tensor& displacement_) {
  const Tensor grad_sums = contiguous(grad_sums_), feature = contiguous(feature_);
  const Tensor displacement = contiguous(displacement_);
  const DeviceGuard guard(feature.get_device_index());
  const Extent extent = extent_of(feature, displacement);
  const int64_t batches = feature.size(0), channels = feature.size(1);
  check_upstream(grad_sums, feature);
  const Tensor grad_feature = zeros(feature, {batches, channels, extent.height, extent.width});
  const Tensor grad_displacement = zeros(feature, {batches, 2, extent.height, extent.width});
  if (feature.numel() == 0) {
    return {grad_feature, grad_displacement};
  }
  const auto launch = launch_over(batches * extent.height * extent.width, 1, feature);
  dispatch(feature, [&](auto type) {
    using scalar_t = decltype(type);
    splat_backward_kernel<scalar_t><<<launch.grid, kThreads, 0, launch.stream>>>(
        data_of<scalar_t>(grad_sums), data_of<scalar_t>(feature),
        data_of<scalar_t>(displacement), mutable_data_of<scalar_t>(grad_feature),
        mutable_data_of<scalar_t>(grad_displacement), batches, channels, extent.height,
        extent.width);
  });
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return {grad_feature, grad_displacement};
}

std::tuple<Tensor, Tensor> joint_splat_cuda(
    const Tensor& feature_, const std::optional<Tensor>& weight_, const Tensor& from_start_,
    const Tensor& from_end_, double progress, double smallest_weight) {
  const Tensor feature = contiguous(feature_);
  const Tensor from_start = contiguous(from_start_), from_end = contiguous(from_end_);
  const auto weight = weight_ ? std::optional<Tensor>(contiguous(*weight_)) : std::nullopt;
  const DeviceGuard guard(feature.get_device_index());
  const Extent extent = joint_extent_of(feature, weight, from_start, from_end);
  const int64_t batches = feature.size(0), channels = feature.size(1);
  const Tensor blended = zeros(feature, {batches, channels, extent.height, extent.width});
  const Tensor shares = zeros(feature, {batches, 2, extent.height, extent.width});
  if (shares.numel() == 0) {
    return {blended, shares};
  }
  const int64_t area = extent.height * extent.width;
  const int64_t sources = batches * extent.source_height() * extent.source_width();
  const auto launch = launch_over(sources, 1, feature);
  const auto normalise = launch_over(batches * area, 1, feature);
  dispatch(feature, [&](auto type) {
    using scalar_t = decltype(type);
    const auto* weights = weight ? data_of<scalar_t>(*weight) : nullptr;
    auto* sums = mutable_data_of<scalar_t>(blended);
    auto* share = mutable_data_of<scalar_t>(shares);
    joint_splat_kernel<scalar_t><<<launch.grid, kThreads, 0, launch.stream>>>(
        data_of<scalar_t>(feature), weights, data_of<scalar_t>(from_start), sums, share, batches,
        channels, extent, 0, static_cast<scalar_t>(1 - progress));
    joint_splat_kernel<scalar_t><<<launch.grid, kThreads, 0, launch.stream>>>(
        data_of<scalar_t>(feature), weights, data_of<scalar_t>(from_end), sums, share, batches,
        channels, extent, 1, static_cast<scalar_t>(progress));
    normalise_kernel<scalar_t><<<normalise.grid, kThreads, 0, normalise.stream>>>(
        share, sums, batches, channels, area, static_cast<scalar_t>(smallest_weight));
  });
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return {blended, shares};
}

}  // namespace
}  // namespace stylecinegan

STABLE_TORCH_LIBRARY_IMPL(stylecinegan, CUDA, library) {
  library.impl("splat", TORCH_BOX(&stylecinegan::splat_cuda));
  library.impl("splat_backward", TORCH_BOX(&stylecinegan::splat_backward_cuda));
  library.impl("joint_splat", TORCH_BOX(&stylecinegan::joint_splat_cuda));
  library.impl("euler_step", TORCH_BOX(&stylecinegan::euler_step_cuda));
  library.impl("resize_displacement", TORCH_BOX(&stylecinegan::resize_displacement_cuda));
  library.impl(
      "render_frame", TORCH_BOX(&stylecinegan::render_frame<stylecinegan::render_frame_on_cuda>));
}
