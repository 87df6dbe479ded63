// Debian compiles FAISS for the first x86-64 processors: its inner product
// takes one number at a time. This one, compiled for the processor at hand,
// takes its place (the build makes the library's symbol weak), so that what is
// compared is FAISS and not how it was packaged.
#include <cstddef>

namespace faiss {

float fvec_inner_product(const float* x, const float* y, size_t d) {
    // As many sums as hide the latency of adding to one, whatever the width of
    // the processor's registers.
    constexpr size_t width = 64;
    float sums[width] = {};
    size_t i = 0;
    for (; i + width <= d; i += width)
        for (size_t j = 0; j < width; j++) sums[j] += x[i + j] * y[i + j];
    float sum = 0;
    for (; i < d; i++) sum += x[i] * y[i];
    for (size_t j = 0; j < width; j++) sum += sums[j];
    return sum;
}

}  // namespace faiss
