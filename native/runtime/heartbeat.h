// The sign of life that the kernel's program reads: while it is fresh the unit forwards and the gate drops the kernel's
// copy; when it is stale the gate forwards. Written by the packet loop after it has sent, never by a timer: a hung
// loop must look dead. Of several loops that share a wire each has its own, and the gate stands in for each by itself.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "drivers/clock.h"
#include "kernel/install.h"

namespace headgate {

class Heartbeat {
 public:
  // `gate` is open and outlives the heartbeat; none where nothing is installed.
  // `worker`: which of the loops that share the wire it is of.
  Heartbeat(const Gate* gate, uint32_t worker) : gate_(gate), worker_(worker) {
    if (gate_ == nullptr) return;
    stale_ns_ = gate_->state()->stale_ns;
    for (uint32_t direction = 0; direction < 2; direction++)
      bypassed_[direction] = gate_->bypassed(direction, worker_).frames;
  }

  // Beats, with the clock (CLOCK_MONOTONIC) as it has just been read. False when the gate may have forwarded since the
  // last beat: was_bypassed() then tells. The clock is read again after the write, so that being descheduled in between
  // is seen; and we allow ourselves less than the gate's stale time, so that the doubt is always on the side of not
  // sending twice.
  bool beat(uint64_t now_ns) {
    if (gate_ == nullptr) return true;
    const uint64_t before = last_ns_;
    last_ns_ = now_ns;
    write(last_ns_);
    return clock_ns(CLOCK_MONOTONIC) - before <= stale_ns_ - kDoubtNs;
  }

  // Whether so much time has passed since the last beat that beat() would be false.
  bool is_late() const {
    return gate_ != nullptr && clock_ns(CLOCK_MONOTONIC) - last_ns_ > stale_ns_ - kDoubtNs;
  }

  // Whether the gate has forwarded anything of this direction since this was last asked. Meaningful right after a
  // beat, which made it stop. A busy machine often keeps us late without a packet having taken the other way.
  bool was_bypassed(uint32_t direction) {
    if (gate_ == nullptr) return false;
    const uint64_t now = gate_->bypassed(direction, worker_).frames;
    const bool has_grown = now != bypassed_[direction];
    bypassed_[direction] = now;
    return has_grown;
  }

  // Whether the gate has forwarded anything of this direction since the last beat: until the next one it holds back what
  // we send, which would come late.
  bool is_held_back(uint32_t direction) const {
    if (gate_ == nullptr) return false;
    const std::atomic_ref bypassed_ns(gate_->state()->beat[worker_].bypassed_ns[direction]);
    return bypassed_ns.load(std::memory_order_relaxed) > last_ns_;
  }

  // Hands the wire to the kernel at once: the end of the unit's forwarding.
  void end() {
    if (gate_ != nullptr) write(0);
  }

  // How long the loop may wait without a packet.
  int wait_ms() const { return gate_ != nullptr ? static_cast<int>(stale_ns_ / 4'000'000) : kWaitMs; }

 private:
  static constexpr uint64_t kDoubtNs = 1'000'000;
  static constexpr int kWaitMs = 100;

  void write(uint64_t ns) { std::atomic_ref(gate_->state()->beat[worker_].ns).store(ns, std::memory_order_seq_cst); }

  const Gate* gate_;
  uint32_t worker_;
  uint64_t stale_ns_ = 0;
  uint64_t last_ns_ = 0;
  std::array<uint64_t, 2> bypassed_ = {};
};

}  // namespace headgate
