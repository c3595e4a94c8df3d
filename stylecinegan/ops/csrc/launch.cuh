// What the CUDA kernels share.
#pragma once

#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/ops.h>

#include "tensors.h"

namespace stylecinegan {

using torch::stable::accelerator::DeviceGuard;
using torch::stable::contiguous;

constexpr int kThreads = 256;

// A grid of one thread an element, and the stream that torch works on.
struct Launch {
  dim3 grid;
  cudaStream_t stream;
};

inline Launch launch_over(int64_t count, int64_t groups, const Tensor& tensor) {
  void* stream = nullptr;
  STD_TORCH_CHECK(
      aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream) == AOTI_TORCH_SUCCESS,
      "the device has no stream");
  const dim3 grid((count + kThreads - 1) / kThreads, groups);
  return {grid, static_cast<cudaStream_t>(stream)};
}

inline Tensor zeros(const Tensor& like, std::initializer_list<int64_t> sizes) {
  return torch::stable::new_zeros(like, sizes);
}

}  // namespace stylecinegan
