// One packet as every driver hands it to the pipeline.
#pragma once
#include <cstdint>

namespace headgate {

enum class Direction : uint8_t { Inbound = 0, Outbound = 1 };  // outside -> inside, inside -> outside

// What happens to a packet. There is no drop: headgate never drops a packet on purpose.
enum class Verdict : uint8_t { Forward = 0, ForwardMarked = 1 };

struct Packet {
  uint8_t* data;         // first byte of the link-layer header; writable, with kHeadroom bytes before it
  uint32_t captured;     // bytes readable at `data`
  uint32_t wire_length;  // bytes on the wire; above `captured` where a capture was cut
  uint64_t time_ns;      // since the Unix epoch, or monotonic on a live wire; never mixed in one pipeline
  uint64_t frame;        // number in the capture file from 1; 0 on a live wire
  uint32_t segment_bytes;  // GSO/GRO super-packet: payload bytes of each segment it stands for; else 0
  uint16_t link_type;    // LINKTYPE_ of pcap; 1 is Ethernet
  uint16_t wire;         // index of the wire it came in by
  uint16_t vlan_tci;     // 802.1q tag that the kernel moved to metadata; valid when has_vlan
  uint16_t vlan_tpid;
  bool has_vlan;
  Direction direction;
  Verdict verdict;       // set by the pipeline
};

// Room before `data` for one 802.1q tag to be inserted without a copy of the payload.
inline constexpr uint32_t kHeadroom = 8;

// Packets that a driver hands over at once: enough to hide a cache miss behind the others' work.
inline constexpr uint32_t kBatch = 64;

}  // namespace headgate
