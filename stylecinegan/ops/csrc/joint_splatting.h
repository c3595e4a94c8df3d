// Joint splatting (Eq. 3) on the CPU: both directions, the weights and the division in one pass.
#pragma once

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "cpu.h"

namespace stylecinegan {

// Copies the last lane of a band, the summed weights, to a plane of its rows, and clears it.
template <typename scalar_t, int lanes>
void take_weights(
    Band<scalar_t, lanes>& band, const Extent& extent, const Box& box, scalar_t* plane) {
  for (int64_t row = box.top; row < box.bottom; ++row) {
    auto* packs = band.row(row);
    for (int64_t i = 0; i < extent.width; ++i) {
      plane[(row - box.top) * extent.width + i] = packs[i][lanes - 1];
      packs[i][lanes - 1] = 0;
    }
  }
}

// Writes the sums of a band divided by the weights of both directions, zero without weight.
template <typename scalar_t, int lanes>
void write_quotients(
    Band<scalar_t, lanes>& band, const Extent& extent, const Box& box,
    const scalar_t* from_start, const scalar_t* from_end, scalar_t smallest_weight,
    scalar_t* blended, int64_t channels) {
  using Pack = typename Band<scalar_t, lanes>::Pack;
  for (int64_t row = box.top; row < box.bottom; ++row) {
    auto* packs = band.row(row);
    const int64_t offset = (row - box.top) * extent.width;
    for (int64_t i = 0; i < extent.width; ++i) {
      const scalar_t total = from_start[offset + i] + from_end[offset + i];
      packs[i] = total < smallest_weight ? Pack{} : packs[i] / total;
    }
    for (int64_t k = 0; k < channels; ++k) {
      scalar_t* plane = blended + (k * extent.height + row) * extent.width;
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
  const auto start_fields = fields_of<scalar_t>(from_start, extent);
  const auto end_fields = fields_of<scalar_t>(from_end, extent);
  const std::vector<scalar_t> zeros(extent.width, 0), ones(extent.width, 1);
  for_each_band<scalar_t, lanes>(
      extent, feature.size(0), (channels + group_size - 1) / group_size,
      [&](int64_t batch, int64_t group, auto& filling, const Box& box) {
        const int64_t offset = batch * channels * area, first = group * group_size;
        auto planes = planes_of<scalar_t, lanes>(
            data_of<scalar_t>(feature) + offset, extent, channels, first, {zeros.data(), 0});
        planes[lanes - 1] = {ones.data(), 0};
        const Plane<scalar_t> weights = weight
            ? Plane<scalar_t>{weight + batch * area, extent.width}
            : Plane<scalar_t>{ones.data(), 0};
        // Every group needs the weights; only one of them writes the shares.
        const int64_t rows = box.height() * extent.width;
        std::vector<scalar_t> own(group == 0 ? 0 : 2 * rows);
        scalar_t* plane =
            mutable_data_of<scalar_t>(shares) + batch * 2 * area + box.top * extent.width;
        scalar_t* shares_of_start = group == 0 ? plane : own.data();
        scalar_t* shares_of_end = group == 0 ? plane + area : own.data() + rows;
        filling.add(planes, weights, 1 - progress, start_fields[batch], extent, box);
        take_weights(filling.band, extent, box, shares_of_start);
        filling.add(planes, weights, progress, end_fields[batch], extent, box);
        take_weights(filling.band, extent, box, shares_of_end);
        write_quotients(
            filling.band, extent, box, shares_of_start, shares_of_end, smallest_weight,
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
  const Tensor shares =
      torch::stable::new_empty(feature, {feature.size(0), 2, extent.height, extent.width});
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
