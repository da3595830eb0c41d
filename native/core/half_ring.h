// Heads of segments of sampled sessions of which only one direction passes here: what another unit, which sees the other
// direction, needs to measure with. Written by the thread that follows the packets, read by one other.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../abi/engine.h"

namespace headgate {

class HalfRing {
 public:
  // Half a minute of 500 segments a second.
  static constexpr uint64_t kSegments = 1 << 14;

  // `memory`: zeroed, kBytes of it; none for a ring that is never used.
  explicit HalfRing(void* memory) : ring_(static_cast<Ring*>(memory)) {}

  void put(const hg_half_segment& segment) {
    const uint64_t at = ring_->written.load(std::memory_order_relaxed);
    if (at - ring_->read.load(std::memory_order_acquire) == kSegments) {
      ring_->lost.store(ring_->lost.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return;
    }
    ring_->segments[at % kSegments] = segment;
    ring_->written.store(at + 1, std::memory_order_release);
  }

  // Appends what there is.
  void drain(std::vector<hg_half_segment>* to) {
    const uint64_t end = ring_->written.load(std::memory_order_acquire);
    for (uint64_t at = ring_->read.load(std::memory_order_relaxed); at < end; at++)
      to->push_back(ring_->segments[at % kSegments]);
    ring_->read.store(end, std::memory_order_release);
  }

  // Ever, for lack of room.
  uint64_t lost() const { return ring_->lost.load(std::memory_order_relaxed); }

 private:
  struct Ring {
    alignas(64) std::atomic<uint64_t> written, lost;
    alignas(64) std::atomic<uint64_t> read;
    hg_half_segment segments[kSegments];
  };
  Ring* ring_;

 public:
  static constexpr size_t kBytes = sizeof(Ring);
};

}  // namespace headgate
