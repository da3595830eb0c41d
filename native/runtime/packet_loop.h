// One thread that feeds one pipeline, and copies of the pipeline's tables that readers may take. Nothing on a packet's
// way is shared with another loop, so nothing is locked.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "core/pipeline.h"
#include "drivers/driver.h"
#include "runtime/loop_thread.h"

namespace headgate {

class PacketLoop {
 public:
  virtual ~PacketLoop() = default;
  PacketLoop(const PacketLoop&) = delete;
  PacketLoop& operator=(const PacketLoop&) = delete;

  // By direction: what was sent on.
  virtual std::array<hg_passed, 2> passed() const = 0;
  // Frames that the kernel's gate had forwarded while the loop was silent, thrown away here: not losses.
  virtual uint64_t discarded() const { return 0; }
  const std::array<Losses, 2>& losses() const { return losses_; }
  // The pipeline's tables that move while packets pass: copied by the loop's thread, about a second old.
  std::vector<Resolver> resolvers() const;
  std::vector<Network> networks() const;
  std::vector<HeavySession> heaviest() const;
  uint64_t sessions_occupied() const { return sessions_occupied_.load(std::memory_order_relaxed); }

 protected:
  PacketLoop() = default;

  // The loop's thread is the only one that calls `pipeline`, which outlives it.
  void start(const std::string& name, int nice, Pipeline* pipeline);
  // To be called by each destructor, before what run() uses is gone.
  void stop() { thread_.stop(); }
  bool is_stopping() const { return thread_.is_stopping(); }
  int wake() const { return thread_.wake(); }
  // Refreshes the copies of the pipeline's tables when they are old; called by run() now and then.
  void copy_tables(uint64_t now_ns);

  virtual void run() = 0;

  Pipeline* pipeline_ = nullptr;
  std::array<Losses, 2> losses_;

 private:
  LoopThread thread_;
  uint64_t copied_ns_ = 0;
  mutable std::mutex copy_;
  std::vector<Resolver> resolvers_;
  std::vector<Network> networks_;
  std::vector<HeavySession> heaviest_;
  std::atomic<uint64_t> sessions_occupied_{0};
};

}  // namespace headgate
