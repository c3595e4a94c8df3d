// A frame of the loop on CUDA: two kernels a level and no wait for the device.
#pragma once

#include "displacement.cuh"
#include "frame.h"
#include "sharpness.h"

namespace stylecinegan {

// One level as a kernel sees it.
struct LevelView {
  const float4* colours;  // times weight, which is in w
  Extent extent;
  Box box;  // what is splatted
  const float* from_start;
  const float* from_end;
  int64_t field_height, field_width;
  float loss_x, loss_y;

  __device__ float displacement(const float* field, int64_t axis, int64_t row, int64_t column)
      const {
    const int64_t height = extent.source_height(), width = extent.source_width();
    const float scale = axis == 0 ? static_cast<float>(width) / field_width
                                  : static_cast<float>(height) / field_height;
    const float* plane = field + axis * field_height * field_width;
    const auto read = height * width < field_height * field_width ? area_mean<float>
                                                                  : enlarged_at<float>;
    return scale * read(plane, field_height, field_width, row, column, height, width);
  }
};

// Adds both directions of Eq. 3: sums of colours and weights, and the weights of frame 0 apart.
__global__ void warp_level_kernel(
    LevelView level, float progress, float* sums, float* start_weights) {
  const int64_t width = level.extent.source_width();
  const int64_t count = level.extent.source_height() * width;
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (index >= count) {
    return;
  }
  const bool is_end = blockIdx.y == 1;
  const float scale = is_end ? progress : 1.0f - progress;
  const int64_t source_row = index / width, source_column = index % width;
  const int64_t row = source_row - level.extent.border_rows;
  const int64_t column = source_column - level.extent.border_columns;
  const float4 colour = level.colours
      [reflect(row, level.extent.height) * level.extent.width +
       reflect(column, level.extent.width)];
  if (scale == 0.0f || colour.w == 0.0f) {
    return;
  }
  const float* field = is_end ? level.from_end : level.from_start;
  const Box& box = level.box;
  const float dx = level.displacement(field, 0, source_row, source_column);
  const float dy = level.displacement(field, 1, source_row, source_column);
  const float x = column - box.left + dx, y = row - box.top + dy;
  const float factor = sharpness_factor(dx, dy, level.loss_x, level.loss_y);
  visit_corners(x, y, box.height(), box.width(), [&](int64_t at, float corner, float, float) {
    const float share = corner * scale;
    atomicAdd(sums + 4 * at, share * (factor * colour.x));
    atomicAdd(sums + 4 * at + 1, share * (factor * colour.y));
    atomicAdd(sums + 4 * at + 2, share * (factor * colour.z));
    atomicAdd(sums + 4 * at + 3, share * colour.w);
    if (!is_end) {
      atomicAdd(start_weights + at, share * colour.w);
    }
  });
}

// A level after both directions are summed, and what it is added to.
struct FinishView {
  const float4* sums;
  const float* start_weights;
  Box splatted, box;  // the latter is what is needed
  Extent extent;
  float smallest_weight, wavelength;  // the latter 0 where contrast is left
  bool fills_holes, edges_fade;
  const float* from_start;
  const float* from_end;
  int64_t border_rows, border_columns, field_height, field_width;
  const float4* coarser;  // null for the first level
  Box coarser_box;
  int64_t coarser_height, coarser_width;
};

__device__ float4 add_scaled(float4 sum, float4 value, float scale) {
  return {sum.x + value.x * scale, sum.y + value.y * scale, sum.z + value.z * scale, 0.0f};
}

// ρ at a pixel of the displacements.
__device__ float correlation_at(const FinishView& view, int64_t row, int64_t column) {
  const int64_t area = view.field_height * view.field_width;
  const int64_t at =
      (row + view.border_rows) * view.field_width + column + view.border_columns;
  const float inner_width = static_cast<float>(view.field_width - 2 * view.border_columns);
  const float scale = view.extent.width / inner_width / view.wavelength;
  const float x = (view.from_start[at] - view.from_end[at]) * scale;
  const float y = (view.from_start[area + at] - view.from_end[area + at]) * scale;
  return expf(-(x * x + y * y));
}

__device__ float contrast_at(const FinishView& view, int64_t row, int64_t column, int64_t at) {
  const int64_t height = view.field_height - 2 * view.border_rows;
  const int64_t width = view.field_width - 2 * view.border_columns;
  const auto y = resized_place<float>(row, height, view.extent.height);
  const auto x = resized_place<float>(column, width, view.extent.width);
  const int64_t top = max(y.first, 0), bottom = min(int64_t{y.first} + 1, height - 1);
  const int64_t left = max(x.first, 0), right = min(int64_t{x.first} + 1, width - 1);
  const float correlation = mix(
      mix(correlation_at(view, top, left), correlation_at(view, top, right), x.share),
      mix(correlation_at(view, bottom, left), correlation_at(view, bottom, right), x.share),
      y.share);
  const float a = view.start_weights[at] / fmaxf(view.sums[at].w, view.smallest_weight);
  return sqrtf(1.0f - 2.0f * (a - a * a) * (1.0f - correlation));
}

// The blend at a pixel, or the mean around it where nothing landed.
__device__ float4 blend_at(const FinishView& view, int64_t row, int64_t column) {
  const Box& box = view.splatted;
  const int64_t at = (row - box.top) * box.width() + column - box.left;
  const float4 none{0.0f, 0.0f, 0.0f, 0.0f};
  const auto quotient = [&](float4 sum) {
    return sum.w < view.smallest_weight ? 0.0f : 1.0f / sum.w;
  };
  const float4 sum = view.sums[at];
  if (sum.w > 0.0f) {
    const float contrast = view.wavelength > 0 ? contrast_at(view, row, column, at) : 1.0f;
    return add_scaled(none, sum, quotient(sum) / contrast);
  }
  if (!view.fills_holes) {
    return none;
  }
  float4 filling = none;
  float count = 0.0f;
  for (int64_t y = max(row - kHoleReach, box.top); y < min(row + kHoleReach + 1, box.bottom);
       ++y) {
    for (int64_t x = max(column - kHoleReach, box.left);
         x < min(column + kHoleReach + 1, box.right); ++x) {
      const float4 other = view.sums[(y - box.top) * box.width() + x - box.left];
      if (other.w > 0.0f) {
        filling = add_scaled(filling, other, quotient(other));
        count += 1.0f;
      }
    }
  }
  return add_scaled(none, filling, 1.0f / fmaxf(count, 1.0f));
}

// Adds the sum of the coarser levels, enlarged.
__device__ float4 add_coarser(const FinishView& view, int64_t row, int64_t column, float4 colour) {
  if (view.coarser == nullptr) {
    return colour;
  }
  const auto y = resized_place<float>(row, view.coarser_height, view.extent.height);
  const auto x = resized_place<float>(column, view.coarser_width, view.extent.width);
  for (int corner = 0; corner < 4; ++corner) {
    const int64_t at_y = int64_t{y.first} + corner / 2, at_x = int64_t{x.first} + corner % 2;
    const bool is_inside = at_y >= 0 && at_y < view.coarser_height && at_x >= 0 &&
        at_x < view.coarser_width;
    if (!is_inside && view.edges_fade) {
      continue;
    }
    const int64_t near_y = max(int64_t{0}, min(at_y, view.coarser_height - 1));
    const int64_t near_x = max(int64_t{0}, min(at_x, view.coarser_width - 1));
    const float share = (corner / 2 ? y.share : 1.0f - y.share) *
        (corner % 2 ? x.share : 1.0f - x.share);
    const int64_t at = (near_y - view.coarser_box.top) * view.coarser_box.width() + near_x -
        view.coarser_box.left;
    colour = add_scaled(colour, view.coarser[at], share);
  }
  return colour;
}

__global__ void finish_level_kernel(FinishView view, float4* sum) {
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (index >= view.box.height() * view.box.width()) {
    return;
  }
  const int64_t row = view.box.top + index / view.box.width();
  const int64_t column = view.box.left + index % view.box.width();
  sum[index] = add_coarser(view, row, column, blend_at(view, row, column));
}

// The finest level: its sum is composed with the photo at once.
__global__ void compose_kernel(
    FinishView view, const float* rest, const float* mask, float* output) {
  const int64_t area = view.extent.height * view.extent.width;
  const int64_t index = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (index >= area) {
    return;
  }
  const int64_t row = index / view.extent.width, column = index % view.extent.width;
  const Box& box = view.box;
  float4 colour{0.0f, 0.0f, 0.0f, 0.0f};
  float share = 0.0f;
  if (row >= box.top && row < box.bottom && column >= box.left && column < box.right) {
    share = mask[index];
  }
  if (share != 0.0f) {
    colour = add_coarser(view, row, column, blend_at(view, row, column));
  }
  const float values[3] = {colour.x, colour.y, colour.z};
  for (int k = 0; k < 3; ++k) {
    const float value = rest[k * area + index] + share * values[k];
    output[k * area + index] = fminf(fmaxf(value, -1.0f), 1.0f);
  }
}

inline Tensor render_frame_on_cuda(const Frame& frame) {
  const DeviceGuard guard(frame.rest.get_device_index());
  const auto boxes = needed_boxes(frame);
  const Tensor rendered = torch::stable::new_empty(frame.rest, frame.rest.sizes());
  const auto* from_start = data_of<float>(frame.from_start);
  const auto* from_end = data_of<float>(frame.from_end);
  std::optional<Tensor> coarser;
  for (size_t level = 0; level < frame.levels.size(); ++level) {
    const Extent extent = frame.extent(level);
    const Box splatted = boxes[level].grown(frame.fills_holes ? kHoleReach : 0, extent);
    const Tensor sums = zeros(frame.rest, {splatted.height(), splatted.width(), 4});
    const Tensor start_weights = zeros(frame.rest, {splatted.height(), splatted.width()});
    const LevelView warp{
        reinterpret_cast<const float4*>(data_of<float>(frame.levels[level])), extent, splatted,
        from_start, from_end, frame.field_height(), frame.field_width(), frame.loss(level)[0],
        frame.loss(level)[1]};
    const auto splat =
        launch_over(extent.source_height() * extent.source_width(), 2, frame.rest);
    warp_level_kernel<<<splat.grid, kThreads, 0, splat.stream>>>(
        warp, frame.progress, mutable_data_of<float>(sums),
        mutable_data_of<float>(start_weights));
    const Extent before = frame.extent(level == 0 ? 0 : level - 1);
    const FinishView view{
        reinterpret_cast<const float4*>(data_of<float>(sums)), data_of<float>(start_weights),
        splatted, boxes[level], extent, frame.smallest_weight,
        frame.keeps_contrast(level) ? frame.wavelength : 0.0f, frame.fills_holes,
        frame.edges_fade, from_start, from_end, frame.border_rows, frame.border_columns,
        frame.field_height(), frame.field_width(),
        coarser ? reinterpret_cast<const float4*>(data_of<float>(*coarser)) : nullptr,
        boxes[level == 0 ? 0 : level - 1], before.height, before.width};
    if (level + 1 == frame.levels.size()) {
      const auto launch = launch_over(extent.height * extent.width, 1, frame.rest);
      compose_kernel<<<launch.grid, kThreads, 0, launch.stream>>>(
          view, data_of<float>(frame.rest), data_of<float>(frame.mask),
          mutable_data_of<float>(rendered));
    } else {
      const int64_t count = boxes[level].height() * boxes[level].width();
      const Tensor sum = torch::stable::new_empty(frame.rest, {count, 4});
      const auto launch = launch_over(count, 1, frame.rest);
      finish_level_kernel<<<launch.grid, kThreads, 0, launch.stream>>>(
          view, reinterpret_cast<float4*>(mutable_data_of<float>(sum)));
      coarser = sum;
    }
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return rendered;
}

}  // namespace stylecinegan
