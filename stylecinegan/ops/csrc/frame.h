// One frame of the loop: levels are warped, added up and composed with the photo.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <utility>
#include <vector>

#include "sampling.h"
#include "tensors.h"

namespace stylecinegan {

using torch::stable::contiguous;

// Half of the window whose mean fills a hole.
constexpr int64_t kHoleReach = 3;

// What a frame is made of.
struct Frame {
  std::vector<Tensor> levels;  // [H, W, 4] each, coarse to fine: colour times weight, and weight
  Tensor from_start, from_end;  // [1, 2, h + 2 rows, w + 2 columns]
  int64_t border_rows, border_columns;
  float progress, smallest_weight;
  bool fills_holes, edges_fade;  // beyond an edge a coarser level is 0, or goes on
  float wavelength;  // of detail in pixels of its level; 0: contrast is left as it is
  Tensor rest, mask;  // [1, 3, H, W], [1, 1, H, W]; the frame is rest + mask times sum of levels
  Box box;  // outside it the mask is 0
  Tensor losses;  // [levels, 2] on the CPU: of sharpness along x and y, see sharpness.h

  int64_t field_height() const { return from_start.size(2); }
  int64_t field_width() const { return from_start.size(3); }
  int64_t inner_height() const { return field_height() - 2 * border_rows; }
  int64_t inner_width() const { return field_width() - 2 * border_columns; }

  Extent extent(int64_t level) const {
    const int64_t height = levels[level].size(0), width = levels[level].size(1);
    return {
        height, width, border_rows * height / inner_height(),
        border_columns * width / inner_width()};
  }

  // Whether the displacements are for a larger map than this level's and are averaged for it.
  bool is_coarse(const Extent& extent) const {
    return extent.source_height() * extent.source_width() < field_height() * field_width();
  }
  const float* loss(int64_t level) const { return data_of<float>(losses) + 2 * level; }
  bool keeps_contrast(int64_t level) const { return wavelength > 0 && level > 0; }
};

// The part of each level that the frame needs, from that of the finest level on.
inline std::vector<Box> needed_boxes(const Frame& frame) {
  std::vector<Box> boxes(frame.levels.size());
  boxes.back() = frame.box;
  for (auto level = static_cast<int64_t>(boxes.size()) - 2; level >= 0; --level) {
    const Extent coarse = frame.extent(level), fine = frame.extent(level + 1);
    const Box& box = boxes[level + 1];
    const auto first = [](int64_t index, int64_t from, int64_t to) {
      return static_cast<int64_t>(resized_place<float>(index, from, to).first);
    };
    boxes[level] = Box{
        first(box.top, coarse.height, fine.height),
        first(box.bottom - 1, coarse.height, fine.height) + 2,
        first(box.left, coarse.width, fine.width),
        first(box.right - 1, coarse.width, fine.width) + 2}.grown(0, coarse);
  }
  return boxes;
}

inline void check_frame(const Frame& frame) {
  STD_TORCH_CHECK(!frame.levels.empty(), "a frame needs at least one level");
  const auto is_float = [](const Tensor& tensor) {
    return tensor.scalar_type() == ScalarType::Float && tensor.is_contiguous();
  };
  STD_TORCH_CHECK(
      is_float(frame.from_start) && is_float(frame.from_end) && is_float(frame.rest) &&
          is_float(frame.mask),
      "a frame takes contiguous float32");
  for (const Tensor& level : frame.levels) {
    STD_TORCH_CHECK(
        is_float(level) && level.dim() == 3 && level.size(2) == 4 && level.numel() > 0,
        "a level must be [H, W, 4] in float32");
  }
  STD_TORCH_CHECK(
      is_float(frame.losses) && frame.losses.is_cpu() &&
          frame.losses.numel() == 2 * static_cast<int64_t>(frame.levels.size()),
      "the losses of sharpness must be [levels, 2] in float32 on the CPU");
  STD_TORCH_CHECK(
      frame.from_start.dim() == 4 && frame.from_end.dim() == 4 && frame.from_start.size(0) == 1 &&
          frame.from_start.size(1) == 2 && frame.from_end.numel() == frame.from_start.numel() &&
          frame.from_end.size(3) == frame.field_width() && frame.border_rows >= 0 &&
          frame.border_columns >= 0 && frame.inner_height() > 0 && frame.inner_width() > 0,
      "the displacements of a frame must be [1, 2, h, w] and larger than their border");
  const Tensor& finest = frame.levels.back();
  const int64_t height = finest.size(0), width = finest.size(1);
  STD_TORCH_CHECK(
      frame.rest.dim() == 4 && frame.rest.size(1) == 3 && frame.rest.size(2) == height &&
          frame.rest.size(3) == width && frame.rest.numel() == 3 * height * width &&
          frame.mask.numel() == height * width,
      "a frame's photo and mask must have the size of its finest level");
  const Box inside = frame.box.grown(0, {height, width, 0, 0});
  STD_TORCH_CHECK(
      !frame.box.is_empty() && inside.top == frame.box.top && inside.bottom == frame.box.bottom &&
          inside.left == frame.box.left && inside.right == frame.box.right,
      "a frame's box must lie inside it and not be empty");
}

// The operator, for the device that `render` is for.
template <Tensor (*render)(const Frame&)>
Tensor render_frame(
    std::vector<Tensor> levels, const Tensor& from_start, const Tensor& from_end,
    std::vector<int64_t> border, double progress, double smallest_weight, bool fills_holes,
    bool edges_fade, double wavelength, const Tensor& rest, const Tensor& mask,
    std::vector<int64_t> box, const Tensor& losses) {
  STD_TORCH_CHECK(border.size() == 2 && box.size() == 4, "a border takes 2 numbers, a box 4");
  const Frame frame{
      std::move(levels), contiguous(from_start), contiguous(from_end), border[0], border[1],
      static_cast<float>(progress), static_cast<float>(smallest_weight), fills_holes, edges_fade,
      static_cast<float>(wavelength), contiguous(rest), contiguous(mask),
      {box[0], box[1], box[2], box[3]}, contiguous(losses)};
  check_frame(frame);
  return render(frame);
}

}  // namespace stylecinegan
