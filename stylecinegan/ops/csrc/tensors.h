// What every device's kernels ask of their tensors.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <optional>

#include "extent.h"

namespace stylecinegan {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

template <typename scalar_t>
const scalar_t* data_of(const Tensor& tensor) {
  return static_cast<const scalar_t*>(tensor.const_data_ptr());
}

template <typename scalar_t>
scalar_t* mutable_data_of(const Tensor& tensor) {
  return static_cast<scalar_t*>(tensor.mutable_data_ptr());
}

// Calls kernel(value of the tensor's type).
template <typename Kernel>
void dispatch(const Tensor& tensor, Kernel kernel) {
  if (tensor.scalar_type() == ScalarType::Float) {
    kernel(float{});
  } else {
    STD_TORCH_CHECK(
        tensor.scalar_type() == ScalarType::Double, "splatting takes float32 or float64");
    kernel(double{});
  }
}

inline void check_like(const Tensor& tensor, const Tensor& feature) {
  STD_TORCH_CHECK(
      tensor.scalar_type() == feature.scalar_type(), "splatting takes tensors of one type");
}

// Sizes of a splat whose displacement may be larger than its feature by the same border on
// opposite sides.
inline Extent bordered_extent_of(const Tensor& feature, const Tensor& displacement) {
  check_like(displacement, feature);
  STD_TORCH_CHECK(
      feature.dim() == 4 && displacement.dim() == 4 &&
          displacement.size(0) == feature.size(0) && displacement.size(1) == 2,
      "splatting takes [B, C, H, W] and [B, 2, H, W]");
  const int64_t height = feature.size(2), width = feature.size(3);
  const int64_t rows = displacement.size(2) - height, columns = displacement.size(3) - width;
  STD_TORCH_CHECK(
      rows >= 0 && columns >= 0 && rows % 2 == 0 && columns % 2 == 0,
      "a displacement does not match its feature");
  const Extent extent{height, width, rows / 2, columns / 2};
  // The CPU kernels keep positions in 32 bits.
  STD_TORCH_CHECK(
      (extent.source_height() + 2) * (extent.source_width() + 2) < (int64_t{1} << 31),
      "the map is too large to be splatted");
  return extent;
}

inline Extent extent_of(const Tensor& feature, const Tensor& displacement) {
  const Extent extent = bordered_extent_of(feature, displacement);
  STD_TORCH_CHECK(
      extent.border_rows == 0 && extent.border_columns == 0,
      "a displacement does not match its feature");
  return extent;
}

inline void check_upstream(const Tensor& grad_sums, const Tensor& feature) {
  check_like(grad_sums, feature);
  STD_TORCH_CHECK(
      grad_sums.dim() == 4 && grad_sums.numel() == feature.numel() &&
          grad_sums.size(1) == feature.size(1) && grad_sums.size(2) == feature.size(2),
      "a gradient does not match its feature");
}

inline Extent joint_extent_of(
    const Tensor& feature, const std::optional<Tensor>& weight, const Tensor& from_start,
    const Tensor& from_end) {
  const Extent extent = bordered_extent_of(feature, from_start);
  bordered_extent_of(feature, from_end);
  STD_TORCH_CHECK(
      from_end.size(2) == from_start.size(2) && from_end.size(3) == from_start.size(3),
      "the displacements of the two directions differ in size");
  if (weight) {
    check_like(*weight, feature);
    STD_TORCH_CHECK(
        weight->dim() == 4 && weight->size(0) == feature.size(0) && weight->size(1) == 1 &&
            weight->size(2) == extent.height && weight->size(3) == extent.width,
        "a weight does not match its feature");
  }
  return extent;
}

inline void check_step(const Tensor& displacement, const Tensor& motion) {
  check_like(displacement, motion);
  STD_TORCH_CHECK(
      motion.dim() == 4 && motion.size(1) == 2 && displacement.dim() == 4 &&
          displacement.size(0) == motion.size(0) && displacement.size(1) == 2 &&
          displacement.size(2) == motion.size(2) && displacement.size(3) == motion.size(3) &&
          motion.numel() < (int64_t{1} << 31),
      "a displacement does not match its motion");
}

inline void check_resizing(const Tensor& displacement, int64_t height, int64_t width) {
  STD_TORCH_CHECK(
      displacement.dim() == 4 && displacement.size(1) == 2 && displacement.numel() > 0 &&
          height > 0 && width > 0,
      "a displacement must be [B, 2, H, W] and neither it nor its new size empty");
}

}  // namespace stylecinegan
