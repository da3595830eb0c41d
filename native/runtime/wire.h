// A wire that is open, whatever carries its packets: its ports, and the packet loops that its packets are shared by.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/pipeline.h"
#include "drivers/driver.h"
#include "drivers/failure.h"
#include "kernel/install.h"
#include "runtime/link_pass.h"
#include "runtime/packet_loop.h"

namespace headgate {

struct WireOptions {
  std::string name;
  std::string inside;
  std::string outside;  // empty with a mirror
  uint16_t index = 0;   // written into Packet::wire
  bool passes_link_state = false;
  std::string spread_object;  // path of the compiled spread.bpf.o; only where several loops share a wire
};

enum class WireState : uint8_t { Forwarding = 0, Bypass = 1, Down = 2 };

class Wire {
 public:
  virtual ~Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Checks the ports, claims them and begins: a packet loop for each pipeline, which outlive the wire.
  virtual std::optional<Failure> open(const WireOptions& options, std::span<Pipeline* const> pipelines) = 0;

  // Ends after the batches in hand and gives the ports back. Twice is harmless. Called by each destructor.
  virtual void close() = 0;

  // In the order of the pipelines; they live as long as the wire.
  virtual std::vector<const PacketLoop*> loops() const = 0;

  virtual WireState state() const = 0;
  // What opening changed or noticed, for the log.
  virtual std::vector<std::string> findings() const = 0;
  // Exceptions that every pipeline began with: nobody knows whose they are.
  virtual uint64_t inherited() const { return 0; }
  // Sessions that the kernel has written down as exceptions, about a second old.
  virtual uint64_t exceptions() const { return 0; }

 protected:
  static constexpr uint32_t kInbound = static_cast<uint32_t>(Direction::Inbound);
  static constexpr uint32_t kOutbound = static_cast<uint32_t>(Direction::Outbound);

  Wire() = default;

  // Takes a port up again that an earlier unit had taken down and could not; before the ports are looked at.
  static void undo_lowering(const Gate* gate, const WireOptions& options);
  // Passes a lost or regained carrier on, when that is set; called now and then. `gate` may be none.
  void pass_links(const Gate* gate, uint64_t now_ns);
  // Takes up what pass_links() took down.
  void raise_ports(const Gate* gate);

  WireOptions options_;

 private:
  LinkPass links_;
};

}  // namespace headgate
