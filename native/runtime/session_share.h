// How many of 256 sessions are measured, by how full a ring is: that of the heads which the kernel copies to the unit, or
// that of the packets which it is to forward. Whole sessions are left out, so that those which are measured are measured
// right, and the share that is missing is known. Pure.
#pragma once
#include <algorithm>
#include <cstdint>

#include "abi/gate.h"

namespace headgate {

class SessionShare {
 public:
  // `share`: the one in force, which the kernel may have lowered meanwhile. `fill`: of the ring, 0 to 1. The share in
  // force from now on.
  uint32_t step(uint32_t share, double fill, uint64_t now_ns) {
    if (fill > kQuiet) quiet_since_ns_ = now_ns;
    if (fill > kFull && now_ns - changed_ns_ > kReliefNs) {
      changed_ns_ = now_ns;
      return std::max(1u, share / 2);
    }
    if (share < HG_COPY_ALL && now_ns - quiet_since_ns_ > kQuietNs) {
      quiet_since_ns_ = changed_ns_ = now_ns;
      return std::min(HG_COPY_ALL, share + share / 4 + 1);
    }
    return share;
  }

 private:
  static constexpr double kFull = 0.5;
  static constexpr double kQuiet = 0.1;
  // After a step, what is in the ring already is still to be worked off.
  static constexpr uint64_t kReliefNs = 20'000'000;
  static constexpr uint64_t kQuietNs = 1'000'000'000;

  uint64_t changed_ns_ = 0;
  uint64_t quiet_since_ns_ = 0;
};

}  // namespace headgate
