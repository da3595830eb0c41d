// The record of one TCP session and the table of them.
//
// 256 bytes in four cache lines, ordered by how often they are touched: the key with the sequence state
// of both sides (every segment), the samples of both sides (nearly every segment), the holes of each side
// (losses only). "a" is the endpoint with the lower (address, port); side 0 is what a sends.
#pragma once
#include <cstdint>

#include "brent_table.h"
#include "parse.h"

namespace headgate {

inline constexpr unsigned kHoles = 4;
inline constexpr unsigned kRecent = 3;

// Sequence space that one side skipped and has not filled since.
struct Hole {
  uint32_t start, end;
  uint32_t time_us;  // when it was skipped
  uint16_t tsval;    // low bits of the TSval of the segment that skipped it
  uint16_t ip_id;    // of the segment that skipped it
};

enum class Sample : uint8_t { None = 0, Sequence = 1, Timestamp = 2 };

// What is kept of the segments that one side sends.
struct Side {
  uint32_t sample_key;      // acknowledgement or TSecr that ends the outstanding round-trip sample
  uint32_t sample_us;       // when it began
  uint16_t recent[kRecent]; // fingerprints of its last data segments: a copy of one is a duplicate
  uint16_t ip_id;           // newest IPv4 identification
  uint32_t segments;        // data segments sent
  uint32_t tsval;           // highest TSval sent
  uint16_t rtt_min;         // between the unit and the other end, in units of 32 us; 0 unknown
  uint16_t mss;             // what the other end announced; 0 unknown
  uint16_t retransmitted;   // segments; stays at 65535
  uint8_t holes : 3;
  uint8_t recent_at : 2;
  uint8_t sample : 2;          // Sample
  uint8_t probed : 1;          // one byte was sent into a closed window
  uint8_t id_steps : 4;        // identifications in a row that rose by a little: 3 and more are believed
  uint8_t is_seeded : 1;       // `next` holds
  uint8_t is_closed_window : 1;  // this side advertised window 0
  uint8_t has_syn : 1;
  uint8_t has_fin : 1;
};

enum class SessionState : uint8_t { HalfOpen = 0, OneSided, Established, Closed };

struct alignas(64) Session {
  uint32_t hash;
  uint8_t reach : 4;
  uint8_t displaced : 4;
  uint8_t network;  // 4 or 6
  SessionState state;
  uint8_t link;     // where its last packet went or came from
  uint64_t address[4];  // a high, a low, b high, b low; IPv4 in the low words
  uint32_t ports;       // a's in the high half
  uint32_t last_seen_ms;
  uint32_t next[2];   // per side: the sequence number after the highest that it sent
  uint32_t acked[2];  // per side: how far the other side has acknowledged it
  Side side[2];
  Hole hole[2][kHoles];
};
static_assert(sizeof(Hole) == 16 && sizeof(Side) == 32 && sizeof(Session) == 256);

struct SessionKey {
  uint64_t address[4];
  uint32_t ports;
  uint32_t hash;
  uint8_t network;
  uint8_t side;  // the side that sent this packet
};

// Secret words of the hash, drawn at start: chosen tuples must not collide on purpose.
struct HashKey {
  uint64_t word[8];
};

// Idle times after which a session's slot may be had by another.
inline constexpr uint32_t kHalfOpenMs = 10'000;
inline constexpr uint32_t kClosedMs = 10'000;
inline constexpr uint32_t kOneSidedMs = 60'000;
inline constexpr uint32_t kIdleMs = 300'000;

// `data` is the packet that `parsed` was read from; parsed.has_tcp holds.
SessionKey session_key(const uint8_t* data, const Parsed& parsed, const HashKey& key);

inline bool is_of(const Session& session, const SessionKey& key) {
  // One comparison of all words: a mispredicted branch per word costs more than the words.
  return ((session.address[0] ^ key.address[0]) | (session.address[1] ^ key.address[1]) |
          (session.address[2] ^ key.address[2]) | (session.address[3] ^ key.address[3]) |
          (session.ports ^ key.ports) | static_cast<uint64_t>(session.network ^ key.network)) == 0;
}

inline uint32_t lifetime_ms(SessionState state) {
  constexpr uint32_t by_state[] = {kHalfOpenMs, kOneSidedMs, kIdleMs, kClosedMs};
  return by_state[static_cast<unsigned>(state)];
}

class SessionTable {
 public:
  SessionTable(void* memory, size_t slots) : table_(memory, slots) {}

  static size_t bytes(size_t slots) { return slots * sizeof(Session); }

  void prefetch(uint32_t hash) {
    const Session* session = &table_.home(hash);
    __builtin_prefetch(session, 1);
    __builtin_prefetch(session->side, 1);
  }
  // Second stage: when the first choice is taken by another, the next place that the key may be.
  void prefetch_second(uint32_t hash) {
    const Session& home = table_.home(hash);
    if (home.hash == hash || home.reach == 0) return;
    const Session* session = &table_.second(hash);
    __builtin_prefetch(session, 1);
    __builtin_prefetch(session->side, 1);
  }

  Session* find(const SessionKey& key) {
    return table_.find(key.hash, [&](const Session& session) { return is_of(session, key); });
  }
  // A new record, zero but for its key, or nullptr when the table holds only sessions that must stay:
  // established ones are never evicted for a new one; half-open and one-sided ones are, the stalest first.
  Session* insert(const SessionKey& key, uint32_t now_ms);

  const BrentStats& stats() const { return table_.stats(); }
  BrentTable<Session>& table() { return table_; }

 private:
  BrentTable<Session> table_;
};

}  // namespace headgate
