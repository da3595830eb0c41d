// A wire that user space forwards: two AF_PACKET ports, one thread for both directions.
#pragma once
#include "abi/engine.h"
#include "drivers/af_packet.h"
#include "drivers/port_claim.h"
#include "runtime/heartbeat.h"
#include "runtime/linger.h"
#include "runtime/overload.h"
#include "runtime/session_share.h"
#include "runtime/wire.h"

namespace headgate {

class ForwardingWire final : public Wire {
 public:
  // `gate` is that of the wire, open, and outlives it; none where nothing is installed.
  explicit ForwardingWire(const Gate* gate) : gate_(gate), heartbeat_(gate) {}
  ~ForwardingWire() override { close(); }

  std::optional<Failure> open(const WireOptions& options, Pipeline* pipeline) override;
  void close() override;
  WireState state() const override { return state_.load(std::memory_order_relaxed); }
  std::array<hg_passed, 2> passed() const override { return {read(passed_[0]), read(passed_[1])}; }
  std::vector<std::string> findings() const override;
  uint64_t discarded() const override { return discarded_.get(); }

 private:
  void run() override;
  bool carry(uint32_t direction, Batch* batch);
  void adapt(uint32_t direction, bool is_full_batch);
  void beat();
  bool still_ours(uint32_t direction);
  void wait();
  void inspect();
  bool reopen(uint32_t side);
  hg_u8* kept(uint32_t side) const;
  void tell_exceptions();

  const Gate* gate_;
  Heartbeat heartbeat_;
  Linger linger_;
  std::array<Overload, 2> overload_;  // by direction
  std::array<double, 2> load_ = {};
  SessionShare share_;
  uint32_t followed_ = Pipeline::kAllSessions;
  // By direction: frames tapped until then (CLOCK_REALTIME) were left to the gate; 0 when there are none.
  std::array<uint64_t, 2> discard_until_ns_ = {};
  // By direction: the port where its packets come in. What is inbound comes in outside and leaves inside.
  std::array<std::string, 2> names_;
  std::array<PortFacts, 2> facts_;
  std::array<PortClaim, 2> claims_;
  std::array<AfPacketPort, 2> ports_;
  std::array<Passed, 2> passed_;
  Count discarded_;
  NewExceptions new_exceptions_;
  std::atomic<WireState> state_{WireState::Forwarding};
  uint64_t inspected_ns_ = 0;
};

}  // namespace headgate
