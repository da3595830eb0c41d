// One thread that forwards both directions of a wire with two AF_PACKET ports, or one of several that share the wire:
// then each session is carried, counted and followed by one of them alone, and each is bypassed by itself.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "drivers/af_packet.h"
#include "kernel/install.h"
#include "runtime/heartbeat.h"
#include "runtime/linger.h"
#include "runtime/overload.h"
#include "runtime/packet_loop.h"
#include "runtime/session_share.h"

namespace headgate {

class ForwardingLoop final : public PacketLoop {
 public:
  // `gate` is that of the wire, open, and outlives the loop; none where nothing is installed. `worker`: which of the
  // loops that share the wire; `wire`: as Packet::wire.
  ForwardingLoop(const Gate* gate, uint32_t worker, uint16_t wire);
  ~ForwardingLoop() override;

  // The port where packets of this direction come in, and by which those of the other leave. Both before begin(); later
  // any of them anew: the loop takes it up in its next round and closes the one before.
  void give(uint32_t direction, std::unique_ptr<AfPacketPort> port);

  void begin(const std::string& name, Pipeline* pipeline);
  // After the batch in hand; the kernel's gate goes on. Twice is harmless.
  void end() { stop(); }
  // After end() of every loop that shares the wire: a port that is gone leaves its share to the others.
  void close_ports();

  std::array<hg_passed, 2> passed() const override { return {read(passed_[0]), read(passed_[1])}; }
  uint64_t discarded() const override { return discarded_.get(); }

 private:
  void run() override;
  void take_up_ports();
  bool carry(uint32_t direction, Batch* batch);
  void send(uint32_t direction, Batch* batch);
  void adapt(uint32_t direction, bool is_full_batch);
  void beat(uint64_t now_ns);
  bool still_ours(uint32_t direction);
  void wait();
  void look(uint64_t now_ns);
  void tell_exceptions();

  const Gate* gate_;
  uint16_t wire_;
  uint32_t sent_mark_;
  Heartbeat heartbeat_;
  Linger linger_;
  std::array<Overload, 2> overload_;  // by direction
  std::array<double, 2> load_ = {};
  SessionShare share_;
  uint32_t followed_ = Pipeline::kAllSessions;
  // By direction: frames tapped until then (CLOCK_REALTIME) were left to the gate; 0 when there are none.
  std::array<uint64_t, 2> discard_until_ns_ = {};
  std::array<std::unique_ptr<AfPacketPort>, 2> ports_;
  std::array<std::atomic<AfPacketPort*>, 2> given_ = {};  // owned until they are taken up
  std::array<Passed, 2> passed_;
  Count discarded_;
  NewExceptions new_exceptions_;
  uint64_t looked_ns_ = 0;
};

}  // namespace headgate
