// One end of a wire, whatever carries its packets: receive a batch, send a batch, give the buffers back.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "abi/engine.h"
#include "core/packet.h"

namespace headgate {

// Why a frame that came in could not be sent on. The machine refused; headgate itself never drops.
enum class Loss : uint8_t {
  RingFull = 0,   // the receive ring was full: we were too slow
  Truncated = 1,  // the kernel kept only a part of the frame: its receive buffer was full
  NoBuffer = 2,   // the sending port's queue or the kernel's memory was full
  TooLong = 3,    // longer than the sending port's MTU
  PortDown = 4,   // the sending port is down or gone
  Refused = 5,    // the kernel refused the frame for another reason
};
inline constexpr uint32_t kLosses = 6;
inline constexpr std::array<const char*, kLosses> kLossNames = {"ring_full", "truncated", "no_buffer",
                                                                "too_long",  "port_down", "refused"};

// A count with one writer (the packet loop) and any number of readers: no locked instruction on the hot path.
class Count {
 public:
  void add(uint64_t amount) { value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What passed in one direction.
struct Passed {
  Count frames;   // as the interfaces count them
  Count packets;  // a super-packet counts as the segments it becomes
  Count bytes;    // of the frames, as the interfaces count them
};

inline hg_passed read(const Passed& passed) {
  return {passed.frames.get(), passed.packets.get(), passed.bytes.get()};
}

struct Losses {
  std::array<Count, kLosses> by_reason;
  void add(Loss why, uint64_t frames = 1) { by_reason[static_cast<uint32_t>(why)].add(frames); }
};

// Checksum and segmentation state that travels beside a frame: virtio_net_hdr of the uapi header, in host order.
struct Offload {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t header_length = 0;
  uint16_t gso_size = 0;
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;
};
static_assert(sizeof(Offload) == 10);

// Packets that a frame becomes on the wire: more than one for a GSO/GRO super-packet.
uint32_t segments_of(const uint8_t* frame, uint32_t length, const Offload& offload);

// A batch in flight: packets of one direction, and what of them only drivers understand.
struct Batch {
  std::array<Packet, kBatch> packets;
  std::array<Offload, kBatch> offloads;
  std::array<uint8_t*, kBatch> origins;  // where each frame began when it was received
  uint32_t size = 0;
};

}  // namespace headgate
