// Round trips of QUIC by its spin bit (RFC 9000 section 17.4), where both ends take part in it.
//
// The client sends the inverse of the bit that it received last, the server the same: a side's bit turns over once a
// round trip, and between the other side's turn and its own lies the round trip between the unit and its end. Nobody
// must take part, and who does not may send the bit at random: a session counts once its turns fit one client and one
// server, seven of eight. An application that has nothing to send holds a turn back, so that these round trips are too
// long as often as not (IMC 2023): only low quantiles say something, and a reader is told of how many sessions they are.
#pragma once
#include <cstdint>

#include "histogram.h"
#include "parse.h"
#include "session.h"

namespace headgate {

inline constexpr uint16_t kQuicPort = 443;
inline constexpr uint32_t kSpinSlots = 1 << 13;
// Turns that a session must have shown before one counts: of bits at random eight fit one time in fourteen.
inline constexpr uint16_t kTurnsBefore = 8;
// A bit that turns back sooner than this was overtaken, not turned.
inline constexpr uint32_t kTurnUs = 500;
// A session of which nothing was seen for so long gives way.
inline constexpr uint32_t kSpinIdleMs = 10'000;

struct SpinSession {
  uint32_t hash;
  uint8_t reach : 4;
  uint8_t displaced : 4;
  uint8_t seen : 2;  // by side: `bit` holds
  uint8_t bit : 2;
  uint8_t is_spinning : 1;
  uint16_t turns;     // stays at its largest value
  uint32_t tag;
  uint32_t turned_us[2];  // when each side's bit turned last; 0 never
  int32_t votes;          // turns as of side 0 the client and side 1 the server, less those the other way round
  uint32_t last_seen_ms;
};
static_assert(sizeof(SpinSession) == 28);

struct SpinCounts {
  uint64_t sessions;  // that sent a short header
  uint64_t spinning;  // of these, those whose bit turned as it should: what the round trips cover
  uint64_t refused;   // packets of sessions for which the table had no slot
};

class SpinTable {
 public:
  explicit SpinTable(void* memory) : table_(memory, kSpinSlots) {}
  static constexpr size_t kBytes = kSpinSlots * sizeof(SpinSession);

  // A packet of UDP with ports of `tag`. Gives microseconds between the unit and the packet's source, or 0 for none.
  uint32_t notice(const Packet& packet, const Parsed& parsed, const SessionTag& tag, SpinCounts& counts);

 private:
  BrentTable<SpinSession> table_;
};

// Whether the packet is QUIC with a short header (RFC 9000 section 17.3): the only kind that has the bit.
bool is_short_quic(const Packet& packet, const Parsed& parsed);

}  // namespace headgate
