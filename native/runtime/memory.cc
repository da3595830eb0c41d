#include "runtime/memory.h"

#include <sys/mman.h>

namespace headgate {
namespace {
constexpr size_t kHugePage = 2 * 1024 * 1024;
}

Memory::Memory(size_t bytes, size_t dense) : size_((bytes + kHugePage - 1) & ~(kHugePage - 1)) {
  void* const mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return;
  data_ = mapped;
  // Advice only: without huge pages everything is right, but slower. Small tables are not worth a page.
  dense &= ~(kHugePage - 1);
  if (dense > 4 * kHugePage) madvise(data_, dense, MADV_HUGEPAGE);
}

Memory::~Memory() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace headgate
