// The steady state of a TCP session: established, in order, nothing missing on either side. Most segments are of it,
// and nothing that they need takes a branch which the traffic's randomness would make the processor guess wrong.
// What is not of it is `track`'s, which does the same for these segments, at several times the cost.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "common_packet.h"
#include "session.h"

namespace headgate {

constexpr int32_t kJumpMax = 1 << 30;  // a larger step is no loss but another session or damage
constexpr uint32_t kSampleMaxUs = 60'000'000;

// Sequence numbers are compared as signed differences (RFC 9293 section 3.4).
inline int32_t ahead(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

// What tells a segment of a session from all but copies of it.
inline uint64_t fingerprint_of(uint32_t hash, uint32_t seq, uint32_t ack, uint32_t payload_bytes, uint32_t tsval,
                               uint16_t ip_id) {
  const uint64_t numbers = static_cast<uint64_t>(ack) << 32 | seq;
  const uint64_t others = static_cast<uint64_t>(tsval) << 16 ^ static_cast<uint64_t>(payload_bytes) << 32 ^ ip_id;
  return (numbers ^ others ^ hash) * 0x9e3779b97f4a7c15ull;
}

// Fingerprints of the data segments that passed last, of all sessions of a worker: a copy of one of them was made by
// the network or the capture. A segment is forgotten when another of its slot has come; half of them live for 5,700
// others. Small enough to stay in the first two caches, where a place in each session would be a line of its own.
//
// Apart from them, as they are few and are asked for later: where retransmissions have filled holes.
class RecentSegments {
 public:
  static constexpr size_t kSlots = 1 << 13, kFilledSlots = 1 << 11;
  // One more, for what is not to be remembered.
  static constexpr size_t kBytes = (kSlots + 1 + 2 * kFilledSlots) * sizeof(uint16_t);

  explicit RecentSegments(void* zeroed) : print_(static_cast<uint16_t*>(zeroed)) {}

  bool has(uint64_t fingerprint) const { return print_[slot_of(fingerprint)] == print_of(fingerprint); }
  void remember(uint64_t fingerprint) { print_[slot_of(fingerprint)] = print_of(fingerprint); }
  // Without a branch, which nobody could predict.
  void remember_if(uint64_t fingerprint, bool is_wanted) {
    print_[is_wanted ? slot_of(fingerprint) : kSlots] = print_of(fingerprint);
  }

  // `hash` is the session's, `seq` where a segment of it begins, `tsval` what the retransmission said.
  void remember_filled(uint32_t hash, uint32_t seq, uint32_t tsval) {
    const uint64_t place = place_of(hash, seq);
    uint16_t* filled = filled_at(place);
    filled[0] = print_of(place);
    filled[1] = static_cast<uint16_t>(tsval);
  }
  // Whether a segment that said `tsval` was sent before the retransmission that filled its place.
  bool was_filled_since(uint32_t hash, uint32_t seq, uint32_t tsval) const {
    const uint64_t place = place_of(hash, seq);
    const uint16_t* filled = filled_at(place);
    return filled[0] == print_of(place) && static_cast<int16_t>(filled[1] - static_cast<uint16_t>(tsval)) > 0;
  }

 private:
  static size_t slot_of(uint64_t fingerprint) { return fingerprint >> 51; }
  // The bits below the slot's, and never what a slot holds that was not used.
  static uint16_t print_of(uint64_t fingerprint) { return static_cast<uint16_t>(fingerprint >> 35 | 1); }
  static uint64_t place_of(uint32_t hash, uint32_t seq) {
    return (static_cast<uint64_t>(hash) << 32 | seq) * 0x9e3779b97f4a7c15ull;
  }
  uint16_t* filled_at(uint64_t place) const { return print_ + kSlots + 1 + 2 * (place >> 53); }

  uint16_t* print_;
};

// Payload that one segment of a side may have at most, when nothing says that it stands for several.
inline uint32_t segment_limit(uint16_t mss, uint32_t options) {
  // RFC 9293 section 3.7.1 counts options against the MSS. Without one: nothing above a jumbo frame.
  return mss > 100 ? mss - options : 9216 - 40 - options;
}

struct Steady {
  uint32_t is_data;
  uint32_t payload_bytes;
  uint32_t has_rtt;
  uint32_t rtt_us;
};

// The eight bytes of a session that say whether it is in its steady state.
namespace facts {
constexpr size_t kOffset = 8;
static_assert(offsetof(Session, flags) == kOffset && offsetof(Session, nearness) == kOffset + 4 &&
              offsetof(Session, state) == kOffset + 7);

inline uint64_t read(const Session& session) {
  return load<uint64_t>(reinterpret_cast<const uint8_t*>(&session) + kOffset);
}
inline void write(Session& session, uint64_t word) { store(reinterpret_cast<uint8_t*>(&session) + kOffset, word); }
// As SideFlags has them, which no constant expression may ask of bit fields: a test compares. Everything but `has_fin`.
constexpr uint64_t kSideDeciding = 0x7f, kSideSteady = 1 << 5;
constexpr unsigned kNearnessAt = 32, kStateAt = 56;
// A handshake whose SYNs were both seen is as good: what follows them in order establishes the session.
constexpr uint64_t kEstablished = static_cast<uint64_t>(SessionState::Established) << kStateAt;
static_assert(static_cast<unsigned>(SessionState::HalfOpen) == 0 && static_cast<unsigned>(SessionState::Established) == 2);
constexpr uint64_t kDeciding = kSideDeciding << 8 | kSideDeciding | 0xfdull << kStateAt;
constexpr uint64_t kSteady = kSideSteady << 8 | kSideSteady;
}  // namespace facts

// A session's nearness after one more round trip, if there was one. Whatever is known is more than nothing known, so that the
// larger of both holds.
inline uint8_t nearest(uint8_t known, uint32_t rtt_us, bool has_rtt) {
  const uint32_t units = rtt_us / kRttUnitUs;
  const uint32_t found = (255 - (units < 254 ? units : 254)) & (0u - reckoned<uint32_t>(has_rtt));
  const int32_t nearer = static_cast<int32_t>(found - known);
  return static_cast<uint8_t>(known + static_cast<uint32_t>(std::max(nearer, 0)));
}
// The round trip that it stands for, in kRttUnitUs, rounded up; 0 unknown.
inline uint32_t rtt_units(uint8_t nearness) { return nearness == 0 ? 0 : 256u - nearness; }

// When a sample begins: in half microseconds, one less (odd) where the segment is one that the other side answers for its
// own sake, having data, SYN or FIN. In the microsecond 0 of 36 minutes a pure acknowledgement begins none.
inline uint32_t sample_start_of(uint32_t now_us, bool is_answered) { return 2 * now_us - is_answered; }
inline uint32_t since_start(uint32_t start, uint32_t now_us) { return (2 * now_us - start) >> 1; }
// Whether a segment of a new tick may begin a sample. What a pure acknowledgement began, which nothing may ever answer,
// gives way to what is answered: of requests and responses each request is one.
inline bool may_begin(uint32_t start, bool is_answered) {
  return (start & ((static_cast<uint32_t>(is_answered) - 1) | 1)) == 0;
}

// False: the segment is none of the steady state; nothing has changed, and `track` is to see it.
__attribute__((always_inline)) inline bool track_steady(Session& session, unsigned side, const CommonPacket& packet,
                                                        uint32_t now_us, uint32_t now_ms, RecentSegments& recent,
                                                        Steady& result) {
  const unsigned peer = side ^ 1;
  const uint32_t seq = packet.seq(), ack = packet.ack(), tsval = packet.tsval();
  const uint32_t payload = packet.payload_bytes(), end = seq + payload;
  const uint32_t acked = session.acked[peer], limit = kMssClasses[session.mss_class[side]].payload;
  constexpr uint32_t deciding = kTcpFin | kTcpSyn | kTcpRst | kTcpAck;
  // Differences whose top bit says that the one is beyond the other: nothing acknowledged that was not sent, a window
  // that is open, no super-packet. What was sent and what was acknowledged are less than kJumpMax apart.
  const uint32_t is_beyond = (((session.next[peer] - ack) | (packet.has_window() - 1u) | (limit - payload)) & 0x80000000) |
                             ((end - session.acked[side]) & 0xc0000000);
  uint64_t word = facts::read(session);
  const uint64_t strange = ((word ^ facts::kSteady) & facts::kDeciding) | (seq ^ session.next[side]) |
                           ((packet.tcp_flags() & deciding) ^ kTcpAck) | is_beyond | (tsval == 0);
  if (strange != 0) return false;

  // The other side's sample ends by its echo; when its tick was skipped its time is not known.
  const int32_t beyond = ahead(packet.tsecr(), session.sample_key[peer]);
  const uint32_t start = session.sample_start[peer], rtt_us = since_start(start, now_us);
  const bool has_rtt = (start != 0) & (beyond == 0) & (rtt_us < kSampleMaxUs);
  session.sample_start[peer] = start & static_cast<uint32_t>(beyond >> 31);
  word |= facts::kEstablished;
  const unsigned at = facts::kNearnessAt + peer * 8;
  const uint8_t known = static_cast<uint8_t>(word >> at);
  word ^= static_cast<uint64_t>(known ^ nearest(known, rtt_us, has_rtt)) << at;
  // Whole as it is read: a part of it alone would keep the session's next segment waiting for the store.
  facts::write(session, word);

  const int32_t tsval_step = ahead(tsval, session.tsval[side]);
  const uint32_t running = session.sample_start[side], key = session.sample_key[side];
  const bool begins = may_begin(running, payload != 0) & (tsval_step > 0);
  const uint32_t taken = 0u - reckoned<uint32_t>(begins);
  session.sample_start[side] = running ^ ((running ^ sample_start_of(now_us, payload != 0)) & taken);
  session.sample_key[side] = key ^ ((key ^ tsval) & taken);
  // The larger of two is the first with what the second is beyond it, or nothing: that is chosen without a branch.
  session.tsval[side] += static_cast<uint32_t>(std::max(tsval_step, 0));
  const int32_t newly = ahead(ack, acked);
  session.acked[peer] = acked + static_cast<uint32_t>(std::max(newly, 0));
  session.next[side] = end;
  session.last_seen_ms = now_ms;
  const uint16_t ip_id = packet.ip_id();
  session.ip_id[side] = ip_id;
  recent.remember_if(fingerprint_of(session.hash, seq, ack, payload, tsval, ip_id), payload != 0);
  result = {payload != 0, payload, has_rtt, rtt_us};
  return true;
}

}  // namespace headgate
