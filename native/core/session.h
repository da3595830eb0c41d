// The record of one TCP session and the table of them.
//
// 64 bytes, one cache line, have all that a segment in order needs; what is seldom asked lies in a second array, since
// random accesses cost by the page as well as by the line. A session is known by 64 bits of a keyed hash of its tuple
// and by nothing else: of a million sessions, one new one in 18 million million would be taken for another. Of the two
// endpoints one is "a", always the same one of a session; side 0 is what a sends.
#pragma once
#include <cstdint>

#include "brent_table.h"
#include "byte_order.h"
#include "parse.h"

namespace headgate {

inline constexpr unsigned kHoles = 4;

// Sequence space that one side skipped and has not filled since.
struct Hole {
  uint32_t start, end;
  uint32_t time_us;  // when it was skipped
  uint16_t tsval;    // low bits of the TSval of the segment that skipped it
  uint16_t ip_id;    // of the segment that skipped it
};

// Facts of one side.
struct SideFlags {
  uint8_t holes : 3 = 0;
  uint8_t by_sequence : 1 = 0;      // the outstanding round-trip sample is ended by an acknowledgement, not by an echo
  uint8_t probed : 1 = 0;           // one byte was sent into a closed window
  uint8_t is_seeded : 1 = 0;        // `next` holds
  uint8_t is_closed_window : 1 = 0; // this side advertised window 0
  uint8_t has_fin : 1 = 0;
};

// What the other end announced as its MSS: one of the usual values, or 0 where SessionRest has it. `payload` is up to
// what a segment with timestamps is surely one segment and no super-packet.
struct MssClass {
  uint16_t mss, payload;
};
inline constexpr unsigned kMssUnknown = 0, kMssLarge = 6, kMssSmall = 7;
inline constexpr MssClass kMssClasses[8] = {{0, 1448},    {1460, 1448}, {1452, 1440}, {1440, 1428},
                                            {1400, 1388}, {1380, 1368}, {0, 1208},    {0, 0}};

enum class SessionState : uint8_t { HalfOpen = 0, OneSided, Established, Closed };

// What differs by side is indexed by the side that it is about.
struct alignas(64) Session {
  uint32_t hash;
  uint32_t tag;  // with `hash` the 64 bits that a search compares
  // Eight bytes that the steady state reads as one: see tcp_steady.h.
  SideFlags flags[2];
  uint8_t mss_class[2];  // of kMssClasses: what one segment may carry
  // How near the unit is to the end that the side's segments go to, by the least round trip: 255 for less than one
  // kRttUnitUs, one less for each of them; 0 unknown.
  uint8_t nearness[2];
  uint8_t reach : 4;
  uint8_t displaced : 4;
  SessionState state;

  uint32_t last_seen_ms;
  uint16_t ip_id[2];         // newest IPv4 identification
  uint32_t next[2];          // the sequence number after the highest that was sent
  uint32_t acked[2];         // how far the other side has acknowledged
  uint32_t sample_key[2];    // TSecr or acknowledgement that ends the outstanding round-trip sample
  uint32_t sample_start[2];  // when it began: see sample_start_of in tcp_steady.h; 0: there is none
  uint32_t tsval[2];         // highest TSval sent
};

// Left as it was by a new session, so that its line is not fetched for nothing: flags of the session tell which holes
// and MSS hold, and a print of another session is as likely to match as any 16 bits.
struct SessionRest {
  uint16_t mss[2];    // per side, of the last two of kMssClasses
  uint16_t print[2];  // per side: of its last data segment without timestamps and identification
  Hole hole[2][kHoles];
};
static_assert(sizeof(Hole) == 16 && sizeof(SideFlags) == 1 && sizeof(Session) == 64 && sizeof(SessionRest) == 136);
// Up to 65 ms, above which nothing is decided by a round trip.
inline constexpr uint32_t kRttUnitUs = 256;

// Secret words of the hash, drawn at start: chosen tuples must not collide on purpose.
struct HashKey {
  uint64_t word[8];
};

// Idle times after which a session's slot may be had by another.
inline constexpr uint32_t kHalfOpenMs = 10'000;
inline constexpr uint32_t kClosedMs = 10'000;
inline constexpr uint32_t kOneSidedMs = 60'000;
inline constexpr uint32_t kIdleMs = 300'000;

// One step of a keyed multiply-and-fold hash (the NH idea of UMAC, RFC 4418 section 5.2): without the key
// nobody can choose words that make the product collide.
inline uint64_t fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// What finds a session: 64 bits of its keyed hash, and the side that sent the packet at hand.
struct SessionTag {
  uint32_t hash, tag;
  uint8_t side;
  // Both words as they lie in a Session.
  uint64_t key() const { return static_cast<uint64_t>(tag) << 32 | hash; }
};

inline SessionTag finish_tag(uint64_t mixed, bool side, const HashKey& secret) {
  const uint64_t hash = fold(mixed ^ secret.word[4], secret.word[5] | 1);
  return {BrentTable<Session>::usable(static_cast<uint32_t>(hash >> 32)), static_cast<uint32_t>(hash), side};
}

// Of a packet of IPv4: `addresses` and `ports` are the two of each where they stand in it. The product is the same for
// both directions, so nothing is sorted: (a + k)(b + k) is that of two other endpoints under no more than one k.
inline SessionTag session_tag4(const uint8_t* addresses, const uint8_t* ports, const HashKey& secret) {
  const uint64_t from = static_cast<uint64_t>(load<uint16_t>(ports)) << 32 | load<uint32_t>(addresses);
  const uint64_t to = static_cast<uint64_t>(load<uint16_t>(ports + 2)) << 32 | load<uint32_t>(addresses + 4);
  return finish_tag(fold(from + secret.word[0], to + secret.word[0]), from > to, secret);
}

// The same of any packet: `data` is what `parsed` was read from; parsed.has_ports holds.
SessionTag session_tag(const uint8_t* data, const Parsed& parsed, const HashKey& key);

inline uint32_t lifetime_ms(SessionState state) {
  constexpr uint32_t by_state[] = {kHalfOpenMs, kOneSidedMs, kIdleMs, kClosedMs};
  return by_state[static_cast<unsigned>(state)];
}

class SessionTable {
 public:
  SessionTable(void* memory, void* rests, size_t slots) : table_(memory, slots, rests) {}

  static size_t bytes(size_t slots) { return slots * sizeof(Session); }
  static size_t rest_bytes(size_t slots) { return slots * sizeof(SessionRest); }

  // Inlined by force: what only asks for memory has no effect that a compiler would keep a call for.
  __attribute__((always_inline)) void prefetch(uint32_t hash) { __builtin_prefetch(&table_.home(hash), 1); }
  Session* find(const SessionTag& key) {
    Session& home = table_.home(key.hash);
    if (load<uint64_t>(reinterpret_cast<const uint8_t*>(&home)) == key.key()) return &home;
    return table_.find(key.hash, [&](const Session& session) { return session.tag == key.tag; });
  }
  // A new record, zero but for its tag, or nullptr when the table holds only sessions that must stay:
  // established ones are never evicted for a new one; half-open and one-sided ones are, the stalest first.
  Session* insert(const SessionTag& key, uint32_t now_ms);

  const BrentStats& stats() const { return table_.stats(); }
  SessionRest& rest_of(const Session& session) { return table_.rest_of(session); }
  BrentTable<Session, SessionRest>& table() { return table_; }

 private:
  BrentTable<Session, SessionRest> table_;
};

}  // namespace headgate
