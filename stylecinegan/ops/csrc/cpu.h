// What the CPU kernels share: tensors seen as planes and fields, and the spreading over threads.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "band.h"
#include "tensors.h"

namespace stylecinegan {

using torch::stable::contiguous;
using torch::stable::parallel_for;

// Displacements of one direction, [B, 2, H + 2p, W + 2q], with their reach.
template <typename scalar_t>
class Displacements {
 public:
  Displacements(const Tensor& displacement, const Extent& extent)
      : data_(data_of<scalar_t>(displacement)), extent_(extent) {
    const int64_t rows = extent.source_height();
    const int64_t size = rows * extent.source_width();
    reach_.resize(displacement.size(0) * rows);
    parallel_for(0, displacement.size(0) * rows, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const scalar_t* dx = data_ + i / rows * 2 * size + i % rows * extent_.source_width();
        reach_[i] = reach_of_row(dx, dx + size, i % rows, extent_);
      }
    });
  }

  Field<scalar_t> operator[](int64_t batch) const {
    const int64_t size = extent_.source_height() * extent_.source_width();
    const scalar_t* dx = data_ + batch * 2 * size;
    return {dx, dx + size, reach_.data() + batch * extent_.source_height()};
  }

 private:
  const scalar_t* data_;
  Extent extent_;
  std::vector<std::pair<int32_t, int32_t>> reach_;
};

// Rows of a band: few enough for its sums to stay in a core's cache, enough for a source row, that
// may reach several bands, not to be read too often.
constexpr int64_t kRowsOfBand = 128;

// Calls work(batch, group, band, begin, end) for each band of rows [begin, end) of each group of
// channels. A thread takes the next band when it is done with one: where a mask leaves few sources,
// bands cost little, and fixed shares would keep other threads waiting.
template <typename scalar_t, int lanes, typename Work>
void for_each_band(const Extent& extent, int64_t batches, int64_t groups, Work work) {
  const int64_t bands = (extent.height + kRowsOfBand - 1) / kRowsOfBand;
  const int64_t count = extent.width == 0 ? 0 : batches * groups * bands;
  const int64_t threads = std::min<int64_t>(torch::stable::get_num_threads(), count);
  std::atomic<int64_t> next{0};
  parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    Band<scalar_t, lanes> band(extent, std::min(extent.height, kRowsOfBand));
    for (int64_t i = next++; i < count; i = next++) {
      const int64_t begin = i % bands * kRowsOfBand;
      const int64_t end = std::min(begin + kRowsOfBand, extent.height);
      band.reset(begin, end);
      work(i / bands / groups, i / bands % groups, band, begin, end);
    }
  });
}

// The planes of a group of channels; what is missing of the last group reads a row of zeros.
template <typename scalar_t, int lanes>
std::array<Plane<scalar_t>, lanes> planes_of(
    const scalar_t* feature, const Extent& extent, int64_t channels, int64_t first,
    Plane<scalar_t> missing) {
  std::array<Plane<scalar_t>, lanes> planes;
  for (int k = 0; k < lanes; ++k) {
    const scalar_t* plane = feature + (first + k) * extent.height * extent.width;
    planes[k] = first + k < channels ? Plane<scalar_t>{plane, extent.width} : missing;
  }
  return planes;
}

}  // namespace stylecinegan
