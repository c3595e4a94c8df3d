// What the compilers of the two devices call differently.
#pragma once

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__ __forceinline__
#else
#define HOST_DEVICE inline __attribute__((always_inline))
#endif

// Loops become SIMD where the compiler knows that what they write is not what they read. GCC takes
// that promise only from the parameters of a function that is not inlined.
#define RESTRICT __restrict__
#define SIMD_LOOP __attribute__((noinline))
