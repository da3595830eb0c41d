// How full the kernel's ring of header copies is: its positions, mapped beside the reader's own view of it.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace headgate {

class CopyRing {
 public:
  CopyRing() = default;
  ~CopyRing() { close(); }
  CopyRing(const CopyRing&) = delete;
  CopyRing& operator=(const CopyRing&) = delete;

  // `bytes`: its size as the kernel's program declares it. False when it cannot be mapped.
  bool open(int fd, uint64_t bytes) {
    close();
    bytes_ = bytes;
    consumed_ = map(fd, 0);
    produced_ = map(fd, getpagesize());
    return consumed_ != nullptr && produced_ != nullptr;
  }

  void close() {
    for (uint64_t** position : {&consumed_, &produced_}) {
      if (*position != nullptr) munmap(*position, static_cast<size_t>(getpagesize()));
      *position = nullptr;
    }
  }

  // 0 to 1.
  double fill() const {
    const uint64_t consumed = std::atomic_ref(*consumed_).load(std::memory_order_relaxed);
    const uint64_t produced = std::atomic_ref(*produced_).load(std::memory_order_relaxed);
    return static_cast<double>(produced - consumed) / static_cast<double>(bytes_);
  }

 private:
  static uint64_t* map(int fd, long offset) {
    void* page = mmap(nullptr, static_cast<size_t>(getpagesize()), PROT_READ, MAP_SHARED, fd, offset);
    return page == MAP_FAILED ? nullptr : static_cast<uint64_t*>(page);
  }

  uint64_t bytes_ = 1;
  uint64_t* consumed_ = nullptr;
  uint64_t* produced_ = nullptr;
};

}  // namespace headgate
