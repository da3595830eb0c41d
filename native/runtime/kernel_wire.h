// A wire that the kernel forwards (driver tc or xdp): this thread only reads copies of the packets' heads, and is
// never in the way. What it misses is not measured; it is forwarded all the same.
#pragma once
#include <array>
#include <memory>

#include "drivers/driver.h"
#include "drivers/port_claim.h"
#include "kernel/install.h"
#include "runtime/copy_ring.h"
#include "runtime/heartbeat.h"
#include "runtime/session_share.h"
#include "runtime/wire.h"

namespace headgate {

class KernelWire final : public Wire, private PacketLoop {
 public:
  // `gate` is open, of HG_PROGRAM_TC or HG_PROGRAM_XDP, and outlives the wire.
  explicit KernelWire(const Gate* gate);
  ~KernelWire() override;

  std::optional<Failure> open(const WireOptions& options, std::span<Pipeline* const> pipelines) override;
  void close() override;
  std::vector<const PacketLoop*> loops() const override { return {this}; }
  WireState state() const override { return state_.load(std::memory_order_relaxed); }
  // What the kernel has forwarded since the wire was opened.
  std::array<hg_passed, 2> passed() const override;
  std::vector<std::string> findings() const override;
  uint64_t exceptions() const override { return exceptions_.load(std::memory_order_relaxed); }

 private:
  // The pipeline reads and may write; the ring's bytes are gone as soon as the next record is asked for.
  struct Scratch {
    uint8_t headroom[kHeadroom];
    uint8_t bytes[HG_COPY_BYTES];
  };

  void run() override;
  void measure();
  // One copy as the packet `at` of the batch; false when it is none.
  bool take(const hg_copy& copy, uint32_t bytes, uint32_t at);
  void inspect();
  void adopt(uint32_t direction, const std::string& name, const PortFacts& now);
  void adapt();

  const Gate* gate_;
  Heartbeat heartbeat_;
  CopyRing copies_;
  SessionShare share_;
  std::array<PortFacts, 2> facts_;  // by direction, the port where it comes in
  std::array<PortClaim, 2> claims_;
  std::array<hg_bypassed, 2> before_ = {};
  std::array<Packet, kBatch> packets_;
  std::array<Scratch, kBatch> scratch_;
  std::atomic<WireState> state_{WireState::Forwarding};
  uint64_t inspected_ns_ = 0;
  std::atomic<uint64_t> exceptions_{0};
  uint64_t counted_ns_ = 0;
};

}  // namespace headgate
