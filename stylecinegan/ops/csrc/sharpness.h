// What landing between pixels takes from detail, given back; shared by the CPU and CUDA.
#pragma once

#include <cmath>

#include "portable.h"

namespace stylecinegan {

// The inverse square of the largest factor, 1.8: halfway between four pixels next to nothing is left
// of the finest grain.
constexpr float kLeastKept = 1.0f / (1.8f * 1.8f);

// Factor of a source that is moved by (dx, dy). Of the variance, 1 - loss f (1 - f) is kept along an
// axis on which it lands the share f beside a pixel; loss is 2 (1 - correlation of neighbours).
HOST_DEVICE float sharpness_factor(float dx, float dy, float loss_x, float loss_y) {
  const float x = dx - std::floor(dx), y = dy - std::floor(dy);
  const float kept = (1.0f - loss_x * (x - x * x)) * (1.0f - loss_y * (y - y * y));
  return 1.0f / std::sqrt(kept > kLeastKept ? kept : kLeastKept);
}

}  // namespace stylecinegan
