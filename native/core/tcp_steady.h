// The steady state of a TCP session: established, in order, nothing missing on either side. Most segments are of it,
// and nothing that they need takes a branch which the traffic's randomness would make the processor guess wrong.
// What is not of it is `track`'s, which does the same for these segments, at several times the cost.
#pragma once
#include <bit>
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
  const uint64_t words = (static_cast<uint64_t>(tsval ^ ip_id) << 32 | seq) ^ (static_cast<uint64_t>(ack) << 13) ^
                         (static_cast<uint64_t>(hash ^ payload_bytes) << 32);
  return words * 0x9e3779b97f4a7c15ull;
}

// Fingerprints of the data segments that passed last, of all sessions of a worker: a copy of one of them was made by
// the network or the capture. A segment is forgotten when another of its slot has come; half of them live for 5,700
// others. Small enough to stay in the first two caches, where a place in each session would be a line of its own.
class RecentSegments {
 public:
  static constexpr size_t kSlots = 1 << 13;
  static constexpr size_t kBytes = kSlots * sizeof(uint16_t);

  explicit RecentSegments(void* zeroed) : print_(static_cast<uint16_t*>(zeroed)) {}

  bool has(uint64_t fingerprint) const { return print_[slot_of(fingerprint)] == print_of(fingerprint); }
  void remember(uint64_t fingerprint) { print_[slot_of(fingerprint)] = print_of(fingerprint); }
  // Without a branch: `wanted` is 1 or 0.
  void remember_if(uint64_t fingerprint, uint32_t wanted) {
    uint16_t& print = print_[slot_of(fingerprint)];
    print = static_cast<uint16_t>(print ^ ((print ^ print_of(fingerprint)) & (0u - wanted)));
  }

 private:
  static size_t slot_of(uint64_t fingerprint) { return fingerprint >> 51; }
  // The bits below the slot's, and never what a slot holds that was not used.
  static uint16_t print_of(uint64_t fingerprint) { return static_cast<uint16_t>(fingerprint >> 35 | 1); }

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

// A round trip as Session::rtt_min has it; never 0, which stands for unknown.
inline uint32_t rtt_units(uint32_t rtt_us) {
  const uint32_t units = rtt_us / kRttUnitUs + 1;
  return units < 255 ? units : 255;
}

// Where single flags stand in the word of all of them.
namespace side_flags {
inline uint16_t word(SideFlags flags) { return std::bit_cast<uint16_t>(flags); }
inline SideFlags of(uint32_t word) { return std::bit_cast<SideFlags>(static_cast<uint16_t>(word)); }
}  // namespace side_flags

// Follows identifications that count up per session, as most systems send them: `known` is the newest, which it
// gives back or replaces by `ip_id`, and `flags` with the steps counted.
inline uint16_t follow_id(uint16_t known, uint16_t ip_id, uint32_t& flags) {
  const uint32_t all = side_flags::word({.id_steps = 15}), one = side_flags::word({.id_steps = 1});
  const uint32_t step = static_cast<uint16_t>(ip_id - known);
  const bool rises = (step - 1 < 64) & (ip_id != 0), jumps = (static_cast<uint16_t>(step + 64) > 128) & (ip_id != 0);
  const uint32_t raised = flags + ((flags & all) != all ? one : 0);
  flags = rises ? raised : flags;
  flags = jumps ? flags & ~all : flags;
  return (rises | jumps) ? ip_id : known;
}

// False: the segment is none of the steady state; nothing has changed, and `track` is to see it.
inline bool track_steady(Session& session, unsigned side, const CommonPacket& packet, uint32_t now_us, uint32_t now_ms,
                         RecentSegments& recent, Steady& result) {
  // All is read before anything is written: the compiler cannot know that the two sides are two.
  Side& own = session.side[side];
  Side& other = session.side[side ^ 1];
  const uint32_t seq = packet.seq(), ack = packet.ack(), tsval = packet.tsval();
  const uint32_t payload = packet.payload_bytes(), end = seq + payload, window = packet.window();
  uint32_t own_flags = side_flags::word(own.flags), other_flags = side_flags::word(other.flags);
  const uint32_t own_next = session.next[side], own_acked = session.acked[side];
  const uint32_t timestamp = side_flags::word({.sample = static_cast<uint16_t>(Sample::Timestamp)});
  const uint32_t rare = side_flags::word({.holes = 7,
                                          .sample = static_cast<uint16_t>(Sample::Sequence),
                                          .probed = 1,
                                          .is_seeded = 1,
                                          .is_closed_window = 1});
  const uint32_t usual = side_flags::word({.is_seeded = 1});
  constexpr uint32_t deciding = kTcpFin | kTcpSyn | kTcpRst | kTcpAck;
  const uint32_t strange = ((packet.tcp_flags() & deciding) ^ kTcpAck) | ((own_flags & rare) ^ usual) |
                           ((other_flags & rare) ^ usual) | (seq ^ own_next) |
                           (static_cast<uint32_t>(session.state) ^ static_cast<uint32_t>(SessionState::Established));
  const uint32_t limit = kMssClasses[side_flags::of(own_flags).mss_class].payload;
  const bool is_beyond = (payload > limit) | (end - own_acked > static_cast<uint32_t>(kJumpMax)) |
                         (tsval == 0) | (window == 0);
  if ((strange | is_beyond) != 0) return false;

  // The other side's sample ends by its echo; when its tick was skipped its time is not known.
  const int32_t beyond = ahead(packet.tsecr(), other.sample_key);
  const uint32_t rtt_us = now_us - other.sample_us;
  const bool has_rtt = ((other_flags & timestamp) != 0) & (beyond == 0) & (rtt_us < kSampleMaxUs);
  other_flags &= ~(timestamp & ~static_cast<uint32_t>(beyond >> 31));
  // Unknown, 0, is the largest there is when one is taken off.
  const uint32_t units = has_rtt ? rtt_units(rtt_us) - 1 : 0xff, least = (session.rtt_min[side ^ 1] - 1u) & 0xff;
  const uint32_t acked = session.acked[side ^ 1], sent = session.next[side ^ 1];
  const int32_t newly = ahead(ack, acked), unsent = ahead(ack, sent);
  const bool is_further = (newly > 0) & (unsent <= 0);

  const uint32_t is_data = payload != 0;
  // Added as the difference or as nothing: the compiler would make a branch of a choice.
  const int32_t tsval_step = ahead(tsval, own.tsval);
  const uint32_t newest_tsval = own.tsval + static_cast<uint32_t>(tsval_step & ~(tsval_step >> 31));
  const bool is_newer = tsval_step > 0;
  const bool is_running = ((own_flags & timestamp) != 0) & (now_us - own.sample_us < kSampleMaxUs);
  const bool begins = is_newer & !is_running;
  own_flags |= begins ? timestamp : 0;
  const uint16_t id = packet.ip_id(), newest_id = follow_id(own.ip_id, id, own_flags);
  const uint32_t key = begins ? tsval : own.sample_key, began_us = begins ? now_us : own.sample_us;

  other.flags = side_flags::of(other_flags);
  session.rtt_min[side ^ 1] = static_cast<uint8_t>((units < least ? units : least) + 1);
  session.acked[side ^ 1] = is_further ? ack : acked;
  session.next[side] = end;
  session.last_seen_ms = now_ms;
  own.sample_key = key;
  own.sample_us = began_us;
  own.ip_id = newest_id;
  own.tsval = newest_tsval;
  own.flags = side_flags::of(own_flags);
  recent.remember_if(fingerprint_of(session.hash, seq, ack, payload, tsval, id), is_data);
  result = {is_data, payload, has_rtt, rtt_us};
  return true;
}

}  // namespace headgate
