// A wire that is open, whatever carries its packets: one thread that feeds one pipeline.
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
#include "drivers/driver.h"
#include "drivers/failure.h"
#include "kernel/install.h"
#include "runtime/link_pass.h"

namespace headgate {

struct WireOptions {
  std::string name;
  std::string inside;
  std::string outside;  // empty with a mirror
  uint16_t index = 0;   // written into Packet::wire
  bool passes_link_state = false;
};

enum class WireState : uint8_t { Forwarding = 0, Bypass = 1, Down = 2 };

class Wire {
 public:
  virtual ~Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Checks the ports, claims them and begins. The wire's thread is the only one that calls `pipeline`, which
  // outlives the wire.
  virtual std::optional<Failure> open(const WireOptions& options, Pipeline* pipeline) = 0;

  // Ends after the batch in hand and gives the ports back. Twice is harmless. Called by each destructor.
  virtual void close() = 0;

  virtual WireState state() const = 0;
  // By direction: what was sent on.
  virtual std::array<hg_passed, 2> passed() const = 0;
  // What opening changed or noticed, for the log.
  virtual std::vector<std::string> findings() const = 0;
  // Frames that the kernel's gate had forwarded while the loop was silent, thrown away here: not losses.
  virtual uint64_t discarded() const { return 0; }

  // Sessions that the kernel has written down as exceptions, about a second old.
  virtual uint64_t exceptions() const { return 0; }

  const std::array<Losses, 2>& losses() const { return losses_; }
  // The pipeline's tables that move while packets pass: copied by the wire's thread, about a second old.
  std::vector<Resolver> resolvers() const;
  std::vector<Network> networks() const;
  std::vector<HeavySession> heaviest() const;
  uint64_t sessions_occupied() const { return sessions_occupied_.load(std::memory_order_relaxed); }

 protected:
  static constexpr uint32_t kInbound = static_cast<uint32_t>(Direction::Inbound);
  static constexpr uint32_t kOutbound = static_cast<uint32_t>(Direction::Outbound);

  Wire() = default;

  // `nice`: how the wire's thread stands to others that want its processor.
  void start(int nice);
  void stop();
  bool is_stopping() const { return is_stopping_.load(std::memory_order_relaxed); }
  // Readable once the wire shall stop: ends a wait.
  int wake() const { return wake_; }
  // Refreshes the copies of the pipeline's tables when they are old; called by run() now and then.
  void copy_tables(uint64_t now_ns);

  // Takes a port up again that an earlier unit had taken down and could not; before the ports are looked at.
  static void undo_lowering(const Gate* gate, const WireOptions& options);
  // Passes a lost or regained carrier on, when that is set; called now and then. `gate` may be none.
  void pass_links(const Gate* gate, uint64_t now_ns);
  // Takes up what pass_links() took down.
  void raise_ports(const Gate* gate);

  virtual void run() = 0;

  WireOptions options_;
  Pipeline* pipeline_ = nullptr;
  std::array<Losses, 2> losses_;

 private:
  std::atomic<bool> is_stopping_{false};
  int wake_ = -1;  // an eventfd
  std::thread thread_;
  LinkPass links_;
  uint64_t copied_ns_ = 0;
  mutable std::mutex copy_;
  std::vector<Resolver> resolvers_;
  std::vector<Network> networks_;
  std::vector<HeavySession> heaviest_;
  std::atomic<uint64_t> sessions_occupied_{0};
};

}  // namespace headgate
