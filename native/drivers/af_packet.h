// A port carried by an AF_PACKET socket: memory-mapped ring in (TPACKET_V2, which wakes at once; V3's block timer
// would delay an isolated packet by a millisecond), sendmmsg out, PACKET_VNET_HDR both ways so that unfinished
// checksums and GSO/GRO super-packets pass as they are.
//
// Super-packets reach 64 KiB (BIG TCP 512 kB), most packets 1.5 kB. Ring slots for the largest would leave a ring of
// a few hundred packets; so slots fit the MTU, and what is longer takes the socket's own queue: PACKET_COPY_THRESH
// makes the kernel mark the slot TP_STATUS_COPY and queue the whole frame, which recv() then fetches. The slot keeps
// the order. Of those beyond 64 KiB each leaves as several (big_packet.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/packet.h"
#include "drivers/big_packet.h"
#include "drivers/driver.h"
#include "drivers/failure.h"
#include "drivers/port.h"

namespace headgate {

// Several sockets that share a port are held until all are there: before that each would get what is another's.
enum class Intake : uint8_t { Open, Held };

class AfPacketPort {
 public:
  AfPacketPort() = default;
  ~AfPacketPort();
  AfPacketPort(const AfPacketPort&) = delete;
  AfPacketPort& operator=(const AfPacketPort&) = delete;

  // Receives from now on or, `held`, once it is let in.
  std::optional<Failure> open(const std::string& name, const PortFacts& facts, Intake intake = Intake::Open);
  // Of a port that is held: what comes in from now on is received, what goes out is not. Whether that was possible.
  bool let_in();
  void close();

  int fd() const { return fd_; }

  // Takes up to kBatch frames that wait in the ring; never blocks. Their bytes stay valid until release().
  // Sets everything of Packet but wire and direction. Returns how many slots it took: more than the batch has when
  // frames were lost on the way in.
  uint32_t receive(Batch* batch, Losses* losses);

  // Sends a batch that another port received. 802.1q tags of the metadata are put back into the frame. Every frame
  // is sent, or counted in `losses`, or one of those that are returned: for which the kernel had no room, or which a
  // program at the port held back; it says the same of both.
  uint32_t send(Batch* batch, Passed* passed, Losses* losses);
  // The kernel's mark on all that is sent, for that program. Without the right to set it none is held back.
  void mark_sent(uint32_t mark);

  // At least how full the ring is, in eighths.
  double fill() const;

  // Gives the slots of the last receive() back to the kernel.
  void release();

  // Throws away what the ring holds of frames tapped up to `until_ns` (CLOCK_REALTIME): they were bypassed.
  // Returns how many.
  uint64_t discard(uint64_t until_ns);

  // Frames the kernel could not put in the ring since the last call.
  uint64_t take_drops();

  // Clears a pending socket error (the port went down or away) and returns it.
  int take_error();

 private:
  uint8_t* slot(uint32_t index) const { return ring_ + static_cast<size_t>(index) * slot_bytes_; }
  uint8_t* large_buffer(uint32_t index) const { return large_.get() + static_cast<size_t>(index) * kLargeBytes; }
  uint8_t* fetch_large(uint32_t index, uint32_t length, Offload* offload);

  static constexpr uint32_t kSlots = 4096;
  // A batch takes at most this many super-packets, so that their bytes are still in the cache when they are sent.
  static constexpr uint32_t kLargeBuffers = 4;
  static constexpr uint32_t kMessages = kBatch + kLargeBuffers * BigPacket::kPartsMax;
  static constexpr size_t kLargeRoom = 64;
  static constexpr size_t kLargeBytes = (size_t{512} << 10) + 4096;

  int fd_ = -1;
  uint8_t* ring_ = nullptr;
  size_t slot_bytes_ = 0;
  uint32_t head_ = 0;     // next slot to read
  uint32_t held_ = 0;     // slots read and not yet released
  std::unique_ptr<uint8_t[]> large_;
  std::unique_ptr<BigPacket[]> big_;  // what is being sent of them
};

}  // namespace headgate
