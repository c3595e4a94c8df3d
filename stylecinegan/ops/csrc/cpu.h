// What the CPU kernels share: displacements, rows of sources, and the spreading over threads.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "band.h"
#include "tensors.h"

namespace stylecinegan {

using torch::stable::contiguous;
using torch::stable::parallel_for;

// Fields of a batch of displacements, [B, 2, h, w].
template <typename scalar_t>
std::vector<Field<scalar_t>> fields_of(const Tensor& displacement, const Extent& extent) {
  const int64_t height = displacement.size(2), width = displacement.size(3);
  std::vector<Field<scalar_t>> fields;
  for (int64_t batch = 0; batch < displacement.size(0); ++batch) {
    fields.emplace_back(
        data_of<scalar_t>(displacement) + batch * 2 * height * width, height, width, extent);
    auto& field = fields.back();
    parallel_for(0, height, 64, [&](int64_t begin, int64_t end) { field.measure(begin, end); });
  }
  return fields;
}

// Rows of a band: few enough for its sums to stay in a core's cache, enough for a source row, that
// may reach several bands, not to be read too often.
constexpr int64_t kRowsOfBand = 32;

// Calls work(i, state) for i in [0, count). A thread takes the next one when it is done with one:
// where a mask leaves little to do, fixed shares would keep other threads waiting. `make_state`
// gives each thread the memory that it works in.
template <typename MakeState, typename Work>
void share_out(int64_t count, MakeState make_state, Work work) {
  const int64_t threads = std::min<int64_t>(torch::stable::get_num_threads(), count);
  std::atomic<int64_t> next{0};
  parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    auto state = make_state();
    for (int64_t i = next++; i < count; i = next++) {
      work(i, state);
    }
  });
}

// A map of one value a pixel; a stride of 0 repeats one row.
template <typename scalar_t>
struct Plane {
  const scalar_t* data;
  int64_t row_stride;
  const scalar_t* row(int64_t index) const { return data + index * row_stride; }
};

// Planes of a group of channels whose rows are interleaved, weighted and continued by reflection.
template <typename scalar_t, int lanes>
class Sources {
 public:
  using Pack = typename PackOf<scalar_t, lanes>::type;

  Sources(const Extent& extent) : extent_(extent), values_(extent.source_width()) {}

  // Columns of the row that the sources stand in.
  const Pack* read(
      const std::array<Plane<scalar_t>, lanes>& planes, Plane<scalar_t> weights,
      const SourceRow<scalar_t>& sources) {
    const int64_t row = reflect(sources.row, extent_.height);
    std::array<const scalar_t*, lanes> inputs;
    for (int k = 0; k < lanes; ++k) {
      inputs[k] = planes[k].row(row);
    }
    const scalar_t* weight = weights.row(row);
    const auto read_column = [&](int64_t i, int64_t column) {
      Pack value;
      for (int k = 0; k < lanes; ++k) {
        value[k] = inputs[k][column];
      }
      values_[i] = value * weight[column];
    };
    const int64_t begin = std::clamp<int64_t>(-sources.column, 0, sources.count);
    const int64_t end =
        std::clamp<int64_t>(extent_.width - sources.column, begin, sources.count);
    for (int64_t i = 0; i < begin; ++i) {
      read_column(i, reflect(sources.column + i, extent_.width));
    }
    for (int64_t i = begin; i < end; ++i) {
      read_column(i, sources.column + i);
    }
    for (int64_t i = end; i < sources.count; ++i) {
      read_column(i, reflect(sources.column + i, extent_.width));
    }
    return values_.data();
  }

 private:
  Extent extent_;
  std::vector<Pack> values_;
};

// What a thread needs to fill bands.
template <typename scalar_t, int lanes>
struct Filling {
  Filling(const Extent& extent, int64_t buffer_size)
      : band(std::min(extent.height, kRowsOfBand), extent.width, extent.source_width()),
        sources(extent),
        buffer(buffer_size) {}

  void add(
      const std::array<Plane<scalar_t>, lanes>& planes, Plane<scalar_t> weights, scalar_t scale,
      const Field<scalar_t>& field, const Extent& extent, const Box& box) {
    for (int64_t i = 0; i < extent.source_height(); ++i) {
      const auto row = field.row(i, box, buffer.data());
      if (row.count > 0) {
        band.add(sources.read(planes, weights, row), row, scale);
      }
    }
  }

  Band<scalar_t, lanes> band;
  Sources<scalar_t, lanes> sources;
  std::vector<scalar_t> buffer;
};

// Calls work(batch, group, filling, box) for each band of rows of each group of channels.
template <typename scalar_t, int lanes, typename Work>
void for_each_band(const Extent& extent, int64_t batches, int64_t groups, Work work) {
  const int64_t bands = (extent.height + kRowsOfBand - 1) / kRowsOfBand;
  const int64_t count = extent.width == 0 ? 0 : batches * groups * bands;
  const auto make_filling = [&] {
    return Filling<scalar_t, lanes>(extent, 3 * extent.source_width() + 2);
  };
  share_out(count, make_filling, [&](int64_t i, auto& filling) {
    const int64_t begin = i % bands * kRowsOfBand;
    const Box box{begin, std::min(begin + kRowsOfBand, extent.height), 0, extent.width};
    filling.band.reset(box);
    work(i / bands / groups, i / bands % groups, filling, box);
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
