// What the stages of Pipeline::process_batch hand on to each other; for pipeline.cc alone.
#pragma once

#include "pipeline.h"

namespace headgate {

// Counters that every packet raises: added up over a batch first.
struct Pipeline::Sums {
  uint64_t frame_bytes = 0;
  uint64_t network[7] = {};  // by Parsed::network: 0, 4 or 6
  uint64_t tcp_segments = 0;
};

// What following a batch found that is still to be counted elsewhere: the memory for it is asked for first.
struct Pipeline::Found {
  struct RoundTrip {
    uint32_t rtt_us;
    uint32_t at;  // of the packet in its batch
  };
  unsigned round_trips = 0, sessions = 0;
  RoundTrip round_trip[kBatch];
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

// What the stages of one batch hand on for one packet.
struct Pipeline::Work {
  TrafficCell* traffic;  // of its block, link and direction
  SessionTag tag;
  uint32_t column;       // of its link and direction
  uint32_t block;        // of our end of the packet
  uint32_t other_block;  // when both ends are ours: that of the destination
  uint32_t destination;  // outbound only: its index
  uint8_t way;
  uint8_t link;
  uint8_t chosen;  // link by the published tables: what the mark says
  bool is_common;  // a CommonPacket with nothing out of the way: it was not parsed
  bool is_tracked;
  bool may_mark;   // outbound on a wire where marks are in force
  Places places;
};

}  // namespace headgate
