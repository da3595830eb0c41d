// A wire with one port: a router or switch copies traffic to us, which is counted and tracked and goes nowhere. A port
// that has an address gets its copies wrapped, in packets sent to that address; one that has none gets them as they are.
#pragma once
#include "abi/engine.h"
#include "drivers/af_packet.h"
#include "drivers/port_claim.h"
#include "runtime/wire.h"

namespace headgate {

class MirrorWire final : public Wire, private PacketLoop {
 public:
  MirrorWire() = default;
  ~MirrorWire() override { close(); }

  // The direction of a packet comes from its addresses: the pipeline is set so.
  std::optional<Failure> open(const WireOptions& options, std::span<Pipeline* const> pipelines) override;
  void close() override;
  std::vector<const PacketLoop*> loops() const override { return {this}; }
  WireState state() const override { return state_.load(std::memory_order_relaxed); }
  // Nothing is sent on; what was seen is told as inbound.
  std::array<hg_passed, 2> passed() const override { return {read(seen_), hg_passed{}}; }
  std::vector<std::string> findings() const override { return claim_.findings(); }
  // Frames at a port with an address that wrapped no copy: its own ARP, and what else it talks.
  uint64_t discarded() const override { return others_.get(); }

 private:
  void run() override;
  void inspect();
  // Puts the copies of a batch in front, unwrapped, and gives how many there are.
  uint32_t unwrap_copies(Batch* batch);

  PortFacts facts_;
  bool is_wrapped_ = false;
  PortClaim claim_;
  AfPacketPort port_;
  Passed seen_;
  Count others_;
  std::atomic<WireState> state_{WireState::Forwarding};
  uint64_t inspected_ns_ = 0;
};

}  // namespace headgate
