// The sign of life that the kernel's gate reads: while it is fresh the unit forwards and the gate drops the kernel's
// copy; when it is stale the gate forwards. Written by the packet loop after it has sent, never by a timer: a hung
// loop must look dead.
#pragma once
#include <atomic>
#include <cstdint>

#include "drivers/clock.h"

namespace headgate {

class Heartbeat {
 public:
  // `shared` is the gate's cell, CLOCK_MONOTONIC nanoseconds; none where no gate stands.
  Heartbeat(uint64_t* shared, uint64_t stale_ns) : shared_(shared), stale_ns_(stale_ns) {}
  Heartbeat() = default;

  bool has_gate() const { return shared_ != nullptr; }

  // Whether the gate may have begun to forward: what we hold now must not be sent any more. The gate compares with
  // the full stale time, we with less, so that the doubt is always on the side of not sending twice.
  bool is_late() const { return has_gate() && clock_ns(CLOCK_MONOTONIC) - last_ns_ > stale_ns_ - kDoubtNs; }

  // Beats. False when the gate may have forwarded since the last beat: the caller then discards what was tapped
  // before this moment. The clock is read again after the write, so that being descheduled in between is seen.
  bool beat() {
    if (!has_gate()) return true;
    const uint64_t before = last_ns_;
    last_ns_ = clock_ns(CLOCK_MONOTONIC);
    std::atomic_ref(*shared_).store(last_ns_, std::memory_order_seq_cst);
    return clock_ns(CLOCK_MONOTONIC) - before <= stale_ns_ - kDoubtNs;
  }

  // Hands the wire to the kernel at once: the end of the unit's forwarding.
  void end() {
    if (has_gate()) std::atomic_ref(*shared_).store(0, std::memory_order_seq_cst);
  }

  // How long the loop may wait without a packet.
  int wait_ms() const { return has_gate() ? static_cast<int>(stale_ns_ / 4'000'000) : kWaitMs; }

 private:
  static constexpr uint64_t kDoubtNs = 1'000'000;
  static constexpr int kWaitMs = 100;

  uint64_t* shared_ = nullptr;
  uint64_t stale_ns_ = 0;
  uint64_t last_ns_ = 0;
};

}  // namespace headgate
