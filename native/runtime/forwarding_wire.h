// A wire that user space forwards: two AF_PACKET ports, and one packet loop or several that share what comes in.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "drivers/port_claim.h"
#include "drivers/port_group.h"
#include "kernel/spreader.h"
#include "runtime/forwarding_loop.h"
#include "runtime/loop_thread.h"
#include "runtime/wire.h"

namespace headgate {

class ForwardingWire final : public Wire {
 public:
  // `gate` is that of the wire, open, and outlives it; none where nothing is installed.
  explicit ForwardingWire(const Gate* gate) : gate_(gate) {}
  ~ForwardingWire() override { close(); }

  std::optional<Failure> open(const WireOptions& options, std::span<Pipeline* const> pipelines) override;
  void close() override;
  std::vector<const PacketLoop*> loops() const override;
  WireState state() const override { return state_.load(std::memory_order_relaxed); }
  std::vector<std::string> findings() const override;
  uint64_t inherited() const override { return inherited_; }

 private:
  std::optional<Failure> share_out(uint32_t side, PortGroup* group);
  void watch();
  void inspect(uint64_t now_ns);
  bool reopen(uint32_t side);
  hg_u8* kept(uint32_t side) const;

  const Gate* gate_;
  Spreader spreader_;  // open when there are several loops
  // By direction: the port where its packets come in. What is inbound comes in outside and leaves inside.
  std::array<std::string, 2> names_;
  std::array<PortFacts, 2> facts_;
  std::array<PortClaim, 2> claims_;
  uint64_t inherited_ = 0;
  std::vector<std::unique_ptr<ForwardingLoop>> loops_;
  std::atomic<WireState> state_{WireState::Forwarding};
  LoopThread watch_;
};

}  // namespace headgate
