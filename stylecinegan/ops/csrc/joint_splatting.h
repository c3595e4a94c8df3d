// Joint splatting (Eq. 3) on the CPU: both directions, the weights and the division in one pass.
#pragma once

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "cpu.h"

namespace stylecinegan {

// Copies the last lane of a band, the summed weights, to a plane.
template <typename scalar_t, int lanes>
void read_weights(
    Band<scalar_t, lanes>& band, const Extent& extent, int64_t begin, int64_t end,
    scalar_t* plane) {
  for (int64_t row = begin; row < end; ++row) {
    const auto* packs = band.row(row);
    for (int64_t i = 0; i < extent.width; ++i) {
      plane[row * extent.width + i] = packs[i][lanes - 1];
    }
  }
}

template <typename scalar_t, int lanes>
void clear_weights(Band<scalar_t, lanes>& band, const Extent& extent, int64_t begin, int64_t end) {
  // The rim is never read, so its weights may stay.
  for (int64_t row = begin; row < end; ++row) {
    auto* packs = band.row(row);
    for (int64_t i = 0; i < extent.width; ++i) {
      packs[i][lanes - 1] = 0;
    }
  }
}

// Writes the sums of a band divided by the weights of both directions, zero without weight.
template <typename scalar_t, int lanes>
void write_quotients(
    Band<scalar_t, lanes>& band, const Extent& extent, int64_t begin, int64_t end,
    const scalar_t* from_start, scalar_t smallest_weight, scalar_t* blended, int64_t channels) {
  using Pack = typename Band<scalar_t, lanes>::Pack;
  for (int64_t row = begin; row < end; ++row) {
    auto* packs = band.row(row);
    const int64_t offset = row * extent.width;
    for (int64_t i = 0; i < extent.width; ++i) {
      const scalar_t total = from_start[offset + i] + packs[i][lanes - 1];
      packs[i] = total < smallest_weight ? Pack{} : packs[i] / total;
    }
    for (int64_t k = 0; k < channels; ++k) {
      scalar_t* plane = blended + k * extent.height * extent.width + offset;
      for (int64_t i = 0; i < extent.width; ++i) {
        plane[i] = packs[i][k];
      }
    }
  }
}

template <typename scalar_t, int lanes>
void joint_splat_groups(
    const Tensor& feature, const scalar_t* weight, const Tensor& from_start,
    const Tensor& from_end, const Extent& extent, scalar_t progress, scalar_t smallest_weight,
    const Tensor& blended, const Tensor& shares) {
  // A group is a few channels and, in the last lane, a plane of ones that sums the weights.
  constexpr int64_t group_size = lanes - 1;
  const int64_t channels = feature.size(1), area = extent.height * extent.width;
  const Displacements<scalar_t> start_fields(from_start, extent), end_fields(from_end, extent);
  const std::vector<scalar_t> zeros(extent.width, 0), ones(extent.width, 1);
  for_each_band<scalar_t, lanes>(
      extent, feature.size(0), (channels + group_size - 1) / group_size,
      [&](int64_t batch, int64_t group, auto& band, int64_t begin, int64_t end) {
        const int64_t offset = batch * channels * area, first = group * group_size;
        auto planes = planes_of<scalar_t, lanes>(
            data_of<scalar_t>(feature) + offset, extent, channels, first, {zeros.data(), 0});
        planes[lanes - 1] = {ones.data(), 0};
        const Plane<scalar_t> weights = weight
            ? Plane<scalar_t>{weight + batch * area, extent.width}
            : Plane<scalar_t>{ones.data(), 0};
        // Every group needs the weights of the first direction; only one of them writes the shares.
        std::vector<scalar_t> own_weights(group == 0 ? 0 : area);
        scalar_t* share = mutable_data_of<scalar_t>(shares) + batch * 2 * area;
        scalar_t* start_weights = group == 0 ? share : own_weights.data();
        band.add(planes, weights, 1 - progress, start_fields[batch]);
        read_weights(band, extent, begin, end, start_weights);
        clear_weights(band, extent, begin, end);
        band.add(planes, weights, progress, end_fields[batch]);
        if (group == 0) {
          read_weights(band, extent, begin, end, share + area);
        }
        write_quotients(
            band, extent, begin, end, start_weights, smallest_weight,
            mutable_data_of<scalar_t>(blended) + offset + first * area,
            std::min(group_size, channels - first));
      });
}

inline std::tuple<Tensor, Tensor> joint_splat_cpu(
    const Tensor& feature_, const std::optional<Tensor>& weight_, const Tensor& from_start_,
    const Tensor& from_end_, double progress, double smallest_weight) {
  const Tensor feature = contiguous(feature_);
  const Tensor from_start = contiguous(from_start_), from_end = contiguous(from_end_);
  const auto weight = weight_ ? std::optional<Tensor>(contiguous(*weight_)) : std::nullopt;
  const Extent extent = joint_extent_of(feature, weight, from_start, from_end);
  const Tensor blended = torch::stable::new_empty(feature, feature.sizes());
  const Tensor shares = torch::stable::new_empty(feature, {feature.size(0), 2, extent.height, extent.width});
  dispatch(feature, [&](auto type) {
    using scalar_t = decltype(type);
    const auto* weights = weight ? data_of<scalar_t>(*weight) : nullptr;
    const auto kernel = feature.size(1) <= 3
        ? joint_splat_groups<scalar_t, 4>
        : joint_splat_groups<scalar_t, kWidePack<scalar_t>>;
    kernel(
        feature, weights, from_start, from_end, extent, static_cast<scalar_t>(progress),
        static_cast<scalar_t>(smallest_weight), blended, shares);
  });
  return {blended, shares};
}

}  // namespace stylecinegan
