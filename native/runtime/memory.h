// Zeroed memory for tables, in huge pages where the system allows: a random access to 4 KiB pages also
// misses the TLB.
#pragma once
#include <cstddef>

namespace headgate {

class Memory {
 public:
  // data() is nullptr when there is not that much.
  explicit Memory(size_t bytes) : Memory(bytes, bytes) {}
  // Huge pages for the first `dense` bytes only: of the others few are touched, and each costs its page.
  Memory(size_t bytes, size_t dense);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_;
};

}  // namespace headgate
