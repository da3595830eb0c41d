// Whether more comes in by a port than the packet loop can take: its ring is half full and does not empty although
// batch after batch is taken from it. A loop that was only kept from its processor for a moment catches up. Pure.
#pragma once
#include <cstdint>

namespace headgate {

class Overload {
 public:
  // After each batch, with the ring's fill from 0 to 1: what that says of the load, as SessionShare understands it.
  double step(double fill) {
    if (fill < kHalf) {
      batches_ = 0;
      return fill;
    }
    if (batches_++ == 0) first_ = fill;
    if (batches_ <= kBatches) return kUnclear;
    batches_ = 0;
    return fill >= first_ ? fill : kUnclear;
  }

 private:
  static constexpr double kHalf = 0.5;
  // Neither quiet nor too much.
  static constexpr double kUnclear = 0.25;
  // A thousand packets: two of the steps in which the fill is known.
  static constexpr uint32_t kBatches = 16;

  uint32_t batches_ = 0;
  double first_ = 0;
};

}  // namespace headgate
