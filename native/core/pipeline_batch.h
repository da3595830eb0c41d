// What the stages of a batch hand on to each other; for pipeline.cc and pipeline_batch.cc alone.
#pragma once

#include "common_packet.h"
#include "pipeline.h"

// A stage of a batch is one function with all that it does: what it calls once is laid out in it.
#define HG_STAGE __attribute__((always_inline)) inline
#define HG_RARE __attribute__((noinline))

namespace headgate {

inline constexpr uint16_t kDnsPort = 53;

// One thread writes a counter; others read it whole at any time. The compiler would make three instructions of a
// relaxed atomic sum where x86 has one that does as well.
inline void add(uint64_t& counter, uint64_t by) {
#if defined(__x86_64__)
  __asm__("addq %1, %0" : "+m"(counter) : "re"(by) : "cc");
#else
  __atomic_store_n(&counter, counter + by, __ATOMIC_RELAXED);
#endif
}

// A packet's time as sessions have it, truncated.
struct Moment {
  uint32_t us, ms;
};
inline Moment moment_of(const Packet& packet) {
  return {static_cast<uint32_t>(packet.time_ns / 1'000), static_cast<uint32_t>(packet.time_ns / 1'000'000)};
}

// A tag in the metadata is on the wire too.
inline uint32_t on_wire(const Packet& packet) { return packet.wire_length + packet.has_vlan * 4u; }

// 1 or 0: which of the two directions is next nobody can predict.
inline ptrdiff_t is_inbound(const Packet& packet) {
  return reckoned<ptrdiff_t>(packet.direction == Direction::Inbound);
}

// What following a batch found that is still to be counted elsewhere: the memory for it is asked for first.
struct Pipeline::Found {
  struct RoundTrip {
    uint32_t rtt_us;
    uint32_t at;  // of the packet in its batch
  };
  unsigned round_trips = 0, sessions = 0;
  RoundTrip round_trip[kBatch + 1];  // one more, where what is none is written
  uint8_t session[kBatch];  // packets that ask a foreign host for a session, or that a foreign host sent to ask us
};

// Where the headers stand that a mark needs.
struct Pipeline::Places {
  uint8_t network;            // 0: the whole fixed IP header is not there
  uint8_t protocol;
  uint16_t network_offset;
  uint16_t ports_offset;      // kNowhere: no ports, or those of a fragment, which its fellows lack
  uint16_t first_tag_offset;
};
inline constexpr Pipeline::Places Pipeline::kCommonPlaces = {4, kProtocolTcp, CommonPacket::kNetwork, CommonPacket::kTransport, kNowhere};

// What the stages of one batch hand on for one packet.
struct Pipeline::Work {
  SessionTag tag;
  bool is_common;  // a CommonPacket with nothing out of the way: it was not parsed, and its places are known
  bool is_tracked;  // of TCP, and of a session that is to be followed
  uint8_t link;
  uint8_t chosen;  // link by the published tables: what the mark says
  uint8_t way;
  uint32_t column;       // of its link and direction
  uint32_t cell;         // of its block, link and direction
  uint32_t block;        // of our end of the packet
  uint32_t other_block;  // when both ends are ours: that of the destination
  uint32_t destination;  // outbound only: its index
};

template <bool kByAddress, bool kSteers>
HG_STAGE void Pipeline::count_elsewhere(const Work& work, const hg_traffic& amount) {
  if (kByAddress && work.other_block != HG_NONE)
    by_block_.count(cell_of(work.other_block, work.link, Direction::Inbound), amount);
  if (kSteers && work.destination < settings_.destinations) {
    DestinationTraffic& destination = destination_[work.destination];
    add(destination.packets, amount.packets);
    add(destination.l2_bytes, amount.l2_bytes);
  }
}

// Packets of a batch that may be marked. Which these are is as random as the traffic's direction: listed without a branch,
// they cost one misprediction for a batch in place of two for each.
struct Pipeline::Listed {
  unsigned count = 0;
  uint8_t at[kBatch + 3];

  void add_if(unsigned i, bool is_wanted) {
    at[count] = static_cast<uint8_t>(i);
    count += is_wanted;
  }
};

// A batch on its way. What is not common has its places, and what was parsed its headers; both lie apart, since they
// are seldom touched.
struct Pipeline::Batch {
  Batch(Packet* packets_, unsigned n_, const Tables& tables_, const Marks& marks_)
      : packets(packets_),
        n(n_),
        tables(tables_),
        marks(marks_),
        origin(plain_origin(packets_[0].wire)),
        may_mark(marks_.table.enabled != 0 && rules().may_mark),
        has_destinations(!tables_.destinations.empty()) {}

  Packet* packets;
  unsigned n;
  const Tables& tables;
  const Marks& marks;
  // The first packet's; what came by another wire is no common packet.
  const uint64_t origin;
  const bool may_mark, has_destinations;
  uint64_t marked = 0;
  uint64_t network[7] = {};  // of packets that are not common, by Parsed::network: 0, 4 or 6
  Listed common, others;
  Found found;
  Work work[kBatch];
  Places places[kBatch];
  Parsed parsed[kBatch];

  const WireRules& rules() const { return rules_of(packets[0]); }
  const WireRules& rules_of(const Packet& packet) const { return tables.wires[packet.wire < kWiresMax ? packet.wire : 0]; }
  const Places& places_of(unsigned i) const { return *(work[i].is_common ? &kCommonPlaces : &places[i]); }
};

}  // namespace headgate
