// A wire that user space forwards: two AF_PACKET ports and one thread that carries both directions.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/pipeline.h"
#include "drivers/af_packet.h"
#include "drivers/driver.h"
#include "drivers/failure.h"
#include "drivers/port.h"
#include "runtime/heartbeat.h"

namespace headgate {

struct WireOptions {
  std::string name;
  std::string inside;
  std::string outside;
  uint16_t index = 0;  // written into Packet::wire
  Heartbeat heartbeat;
};

enum class WireState : uint8_t { Forwarding = 0, Bypass = 1, Down = 2 };

class Wire {
 public:
  Wire() = default;
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Checks both ports, claims them and starts forwarding. Its packet loop is the only thread that calls
  // `pipeline`, which outlives the wire.
  std::optional<Failure> open(const WireOptions& options, Pipeline* pipeline);

  // Ends the packet loop after the batch in hand, gives the ports back. Twice is harmless.
  void close();

  WireState state() const { return state_.load(std::memory_order_relaxed); }
  // By direction: what was sent on.
  const std::array<Passed, 2>& passed() const { return passed_; }
  const std::array<Losses, 2>& losses() const { return losses_; }
  // Frames that the kernel's gate had forwarded while the loop was silent, thrown away here: not losses.
  uint64_t discarded() const { return discarded_.get(); }
  std::vector<std::string> findings() const;
  // The pipeline's tables that move while packets pass: copied by the packet loop, about a second old.
  std::vector<Resolver> resolvers() const;
  uint64_t sessions_occupied() const { return sessions_occupied_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kInbound = static_cast<uint32_t>(Direction::Inbound);
  static constexpr uint32_t kOutbound = static_cast<uint32_t>(Direction::Outbound);

  void run();
  bool carry(uint32_t direction, Batch* batch);
  void beat();
  void wait();
  void inspect();
  void copy_tables();
  bool reopen(uint32_t direction);

  WireOptions options_;
  Pipeline* pipeline_ = nullptr;
  // By direction: the port where its packets come in. What is inbound comes in outside and leaves inside.
  std::array<std::string, 2> names_;
  std::array<PortFacts, 2> facts_;
  std::array<PortClaim, 2> claims_;
  std::array<AfPacketPort, 2> ports_;
  std::array<Passed, 2> passed_;
  std::array<Losses, 2> losses_;
  Count discarded_;
  std::atomic<WireState> state_{WireState::Forwarding};
  std::atomic<bool> is_stopping_{false};
  uint64_t inspected_ns_ = 0;
  uint64_t copied_ns_ = 0;
  mutable std::mutex copy_;
  std::vector<Resolver> resolvers_;
  std::atomic<uint64_t> sessions_occupied_{0};
  int wake_ = -1;  // an eventfd: ends a wait
  std::thread thread_;
};

}  // namespace headgate
