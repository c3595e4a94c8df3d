// Schemas of the operators, and the CPU kernels of splat.
//
// The target map is cut into bands of rows. A band is filled by one thread, from the source rows
// that reach it, in the order of the sources: there are no atomics, and every pixel adds the same
// numbers in the same order however many bands there are. Values of neighbouring channels lie side
// by side in one SIMD register (a pack), so that a source costs four additions for all of them.
#include <torch/csrc/stable/library.h>

#include <array>
#include <tuple>
#include <vector>

#include "cpu.h"
#include "displacement.h"
#include "frame_cpu.h"
#include "joint_splatting.h"

namespace stylecinegan {
namespace {

template <typename scalar_t, int lanes>
void splat_groups(const Tensor& feature, const Tensor& displacement, const Tensor& sums) {
  const Extent extent = extent_of(feature, displacement);
  const int64_t channels = feature.size(1), area = extent.height * extent.width;
  const auto fields = fields_of<scalar_t>(displacement, extent);
  const std::vector<scalar_t> zeros(extent.width, 0), ones(extent.width, 1);
  const auto* input = data_of<scalar_t>(feature);
  auto* output = mutable_data_of<scalar_t>(sums);
  for_each_band<scalar_t, lanes>(
      extent, feature.size(0), (channels + lanes - 1) / lanes,
      [&](int64_t batch, int64_t group, auto& filling, const Box& box) {
        const int64_t offset = batch * channels * area, first = group * lanes;
        const auto planes = planes_of<scalar_t, lanes>(
            input + offset, extent, channels, first, {zeros.data(), 0});
        filling.add(planes, {ones.data(), 0}, 1, fields[batch], extent, box);
        for (int64_t row = box.top; row < box.bottom; ++row) {
          const auto* packs = filling.band.row(row);
          for (int64_t k = 0; k < std::min<int64_t>(lanes, channels - first); ++k) {
            scalar_t* plane = output + offset + (first + k) * area + row * extent.width;
            for (int64_t i = 0; i < extent.width; ++i) {
              plane[i] = packs[i][k];
            }
          }
        }
      });
}

Tensor splat_cpu(const Tensor& feature_, const Tensor& displacement_) {
  const Tensor feature = contiguous(feature_), displacement = contiguous(displacement_);
  const Tensor sums = torch::stable::new_empty(feature, feature.sizes());
  dispatch(feature, [&](auto type) {
    using scalar_t = decltype(type);
    const auto kernel = feature.size(1) <= 4 ? splat_groups<scalar_t, 4>
                                             : splat_groups<scalar_t, kWidePack<scalar_t>>;
    kernel(feature, displacement, sums);
  });
  return sums;
}

template <typename scalar_t>
struct Corner {
  int64_t offset = 0;
  scalar_t weight = 0, dweight_dx = 0, dweight_dy = 0;
};

// Gradients of one row of sources: features gather, displacements also sum over the channels.
template <typename scalar_t>
void splat_backward_row(
    const scalar_t* grad_sums, const scalar_t* feature, const scalar_t* displacement,
    scalar_t* grad_feature, scalar_t* grad_displacement, int64_t channels, const Extent& extent,
    int64_t row) {
  const int64_t area = extent.height * extent.width, first = row * extent.width;
  std::vector<std::array<Corner<scalar_t>, 4>> corners(extent.width);
  for (int64_t i = 0; i < extent.width; ++i) {
    const scalar_t x = static_cast<scalar_t>(i) + displacement[first + i];
    const scalar_t y = static_cast<scalar_t>(row) + displacement[area + first + i];
    auto* corner = corners[i].data();  // a corner outside the map keeps its weight of 0
    visit_corners(
        x, y, extent.height, extent.width,
        [&](int64_t offset, scalar_t weight, scalar_t dweight_dx, scalar_t dweight_dy) {
          *corner++ = {offset, weight, dweight_dx, dweight_dy};
        });
    grad_displacement[first + i] = 0;
    grad_displacement[area + first + i] = 0;
  }
  for (int64_t k = 0; k < channels; ++k) {
    const scalar_t* upstream = grad_sums + k * area;
    for (int64_t i = 0; i < extent.width; ++i) {
      scalar_t value = 0, along_x = 0, along_y = 0;
      for (const Corner<scalar_t>& corner : corners[i]) {
        value += corner.weight * upstream[corner.offset];
        along_x += corner.dweight_dx * upstream[corner.offset];
        along_y += corner.dweight_dy * upstream[corner.offset];
      }
      grad_feature[k * area + first + i] = value;
      grad_displacement[first + i] += feature[k * area + first + i] * along_x;
      grad_displacement[area + first + i] += feature[k * area + first + i] * along_y;
    }
  }
}

std::tuple<Tensor, Tensor> splat_backward_cpu(
    const Tensor& grad_sums_, const Tensor& feature_, const Tensor& displacement_) {
  const Tensor grad_sums = contiguous(grad_sums_), feature = contiguous(feature_);
  const Tensor displacement = contiguous(displacement_);
  const Extent extent = extent_of(feature, displacement);
  check_upstream(grad_sums, feature);
  const Tensor grad_feature = torch::stable::new_empty(feature, feature.sizes());
  const Tensor grad_displacement = torch::stable::new_empty(displacement, displacement.sizes());
  const int64_t channels = feature.size(1), rows = extent.height;
  const int64_t size = channels * rows * extent.width, field = 2 * rows * extent.width;
  dispatch(feature, [&](auto type) {
    using scalar_t = decltype(type);
    parallel_for(0, feature.size(0) * rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t batch = i / rows;
        splat_backward_row(
            data_of<scalar_t>(grad_sums) + batch * size, data_of<scalar_t>(feature) + batch * size,
            data_of<scalar_t>(displacement) + batch * field,
            mutable_data_of<scalar_t>(grad_feature) + batch * size,
            mutable_data_of<scalar_t>(grad_displacement) + batch * field, channels, extent,
            i % rows);
      }
    });
  });
  return {grad_feature, grad_displacement};
}

}  // namespace
}  // namespace stylecinegan

STABLE_TORCH_LIBRARY(stylecinegan, library) {
  library.def("splat(Tensor feature, Tensor displacement) -> Tensor");
  library.def(
      "splat_backward(Tensor grad_sums, Tensor feature, Tensor displacement) -> (Tensor, Tensor)");
  library.def(
      "joint_splat(Tensor feature, Tensor? weight, Tensor from_start, Tensor from_end, "
      "float progress, float smallest_weight) -> (Tensor, Tensor)");
  library.def("euler_step(Tensor displacement, Tensor motion, bool is_nearest) -> Tensor");
  library.def("resize_displacement(Tensor displacement, int height, int width) -> Tensor");
  library.def(
      "render_frame(Tensor[] levels, Tensor from_start, Tensor from_end, int[] border, "
      "float progress, float smallest_weight, bool fills_holes, bool edges_fade, "
      "float wavelength, Tensor rest, Tensor mask, int[] box, Tensor losses) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(stylecinegan, CPU, library) {
  library.impl("splat", TORCH_BOX(&stylecinegan::splat_cpu));
  library.impl("splat_backward", TORCH_BOX(&stylecinegan::splat_backward_cpu));
  library.impl("joint_splat", TORCH_BOX(&stylecinegan::joint_splat_cpu));
  library.impl("euler_step", TORCH_BOX(&stylecinegan::euler_step_cpu));
  library.impl("resize_displacement", TORCH_BOX(&stylecinegan::resize_displacement_cpu));
  library.impl(
      "render_frame", TORCH_BOX(&stylecinegan::render_frame<stylecinegan::render_frame_cpu>));
}
