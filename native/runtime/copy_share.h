// How many of 256 sessions the kernel copies to the unit, by how full the ring of copies is. Whole sessions are left
// out, so that those which are measured are measured right, and the share that is missing is known.
#pragma once
#include <algorithm>
#include <cstdint>

#include "abi/gate.h"

namespace headgate {

class CopyShare {
 public:
  // `fill`: of the ring, 0 to 1. The share in force from now on.
  uint32_t step(double fill, uint64_t now_ns) {
    if (fill > kQuiet) quiet_since_ns_ = now_ns;
    if (fill > kFull && now_ns - changed_ns_ > kReliefNs) {
      share_ = std::max(1u, share_ / 2);
      changed_ns_ = now_ns;
    } else if (share_ < HG_COPY_ALL && now_ns - quiet_since_ns_ > kQuietNs) {
      share_ = std::min(HG_COPY_ALL, share_ + share_ / 4 + 1);
      quiet_since_ns_ = changed_ns_ = now_ns;
    }
    return share_;
  }

 private:
  static constexpr double kFull = 0.5;
  static constexpr double kQuiet = 0.1;
  // After a step, what is in the ring already is still to be worked off.
  static constexpr uint64_t kReliefNs = 20'000'000;
  static constexpr uint64_t kQuietNs = 1'000'000'000;

  uint32_t share_ = HG_COPY_ALL;
  uint64_t changed_ns_ = 0;
  uint64_t quiet_since_ns_ = 0;
};

}  // namespace headgate
