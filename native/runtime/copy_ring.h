// The kernel's ring of header copies (BPF_MAP_TYPE_RINGBUF), read in bulk: our position is given back once for many
// records, because each change of it makes the kernel's next record wait for the other processor's cache line.
#pragma once
#include <linux/bpf.h>
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

  // `bytes`: its size as the kernel's program declares it, a power of two. False when it cannot be mapped.
  bool open(int fd, uint64_t bytes) {
    close();
    bytes_ = bytes;
    const auto page = static_cast<size_t>(getpagesize());
    // The records appear twice in a row, so that each lies in one piece.
    ours_ = map(fd, 0, page, PROT_READ | PROT_WRITE);
    theirs_ = map(fd, static_cast<long>(page), page + 2 * bytes, PROT_READ);
    return ours_ != nullptr && theirs_ != nullptr;
  }

  void close() {
    const auto page = static_cast<size_t>(getpagesize());
    if (ours_ != nullptr) munmap(ours_, page);
    if (theirs_ != nullptr) munmap(theirs_, page + 2 * bytes_);
    ours_ = theirs_ = nullptr;
  }

  // 0 to 1.
  double fill() const { return static_cast<double>(produced() - consumed()) / static_cast<double>(bytes_); }

  // Throws away what is there.
  void skip() { give_back(produced()); }

  // Calls `take(record, size)` for at most `most` records; their bytes are the kernel's again afterwards. How many.
  template <typename Take>
  uint32_t read(uint32_t most, Take take) {
    const uint64_t end = produced();
    uint64_t at = consumed();
    uint32_t taken = 0;
    const uint8_t* const records = theirs_ + getpagesize();
    while (at < end && taken < most) {
      const uint8_t* const record = records + (at & (bytes_ - 1));
      const uint32_t head = std::atomic_ref(*reinterpret_cast<uint32_t*>(const_cast<uint8_t*>(record)))
                                .load(std::memory_order_acquire);
      if ((head & BPF_RINGBUF_BUSY_BIT) != 0) break;
      const uint32_t size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
      if ((head & BPF_RINGBUF_DISCARD_BIT) == 0) take(record + BPF_RINGBUF_HDR_SZ, size);
      taken++;
      at += (size + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL;
    }
    if (taken > 0) give_back(at);
    return taken;
  }

 private:
  static uint8_t* map(int fd, long offset, size_t bytes, int protection) {
    void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, fd, offset);
    return memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
  }
  static std::atomic_ref<uint64_t> position(uint8_t* page) { return std::atomic_ref(*reinterpret_cast<uint64_t*>(page)); }
  uint64_t consumed() const { return position(ours_).load(std::memory_order_relaxed); }
  uint64_t produced() const { return position(theirs_).load(std::memory_order_acquire); }
  void give_back(uint64_t until) { position(ours_).store(until, std::memory_order_release); }

  uint64_t bytes_ = 0;
  uint8_t* ours_ = nullptr;    // the page with our position
  uint8_t* theirs_ = nullptr;  // the page with the kernel's position, then the records
};

}  // namespace headgate
