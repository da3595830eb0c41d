// What a TCP segment is to its session, judged from mid-path in constant memory: new data, retransmission
// of what was lost beyond us or before us, needless retransmission, reordering, duplicate, probe.
#pragma once
#include <cstdint>

#include "session.h"

namespace headgate {

enum class SegmentClass : uint8_t {
  NoData = 0,   // a pure acknowledgement, a reset
  New,          // advances the side, or its first segment that we see
  LostBeyond,   // retransmitted: we have seen these bytes, the receiver has not acknowledged them
  LostBefore,   // retransmitted: it fills a hole, so the first copy was lost before it reached us
  Spurious,     // retransmitted although its acknowledgement has passed us
  Reordered,    // fills a hole, but was sent before what overtook it
  Duplicate,    // a copy made by the network or by the capture
  KeepAlive,    // one byte below what was sent, or none (RFC 9293 section 3.8.4)
  WindowProbe,  // one byte into a closed window (RFC 9293 section 3.8.6.1)
  Count,
};
inline constexpr unsigned kSegmentClasses = static_cast<unsigned>(SegmentClass::Count);
const char* name_of(SegmentClass segment_class);

inline bool is_retransmission(SegmentClass segment_class) {
  return segment_class == SegmentClass::LostBeyond || segment_class == SegmentClass::LostBefore ||
         segment_class == SegmentClass::Spurious;
}

struct Tracked {
  SegmentClass segment_class;
  bool has_rtt;
  bool is_resync;      // the sequence numbers jumped; the side was seeded anew
  uint32_t segments;   // that the payload stands for: more than 1 for a super-packet
  uint32_t old_segments;  // of these, what repeats or fills
  uint32_t new_bytes;  // payload beyond what the side had sent
  uint32_t old_bytes;  // payload within what the side had sent
  uint32_t rtt_us;     // a round trip between the unit and the *sender* of this packet, which ended a sample
};

class RecentSegments;
struct CommonPacket;

// `now_us` and `now_ms` are the packet's time, truncated; both only ever differ by less than their range.
Tracked track(Session& session, SessionRest& rest, unsigned side, const Parsed& parsed, uint32_t segment_bytes, uint32_t now_us,
              uint32_t now_ms, RecentSegments& recent);
Tracked track(Session& session, SessionRest& rest, unsigned side, const CommonPacket& packet, uint32_t now_us, uint32_t now_ms,
              RecentSegments& recent);

}  // namespace headgate
