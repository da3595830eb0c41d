// The sessions of ours that send most, in a small table of fixed size: for who routes the heaviest of them one by one.
//
// One packet in kHeavyEvery on average stands for as many, drawn at random so that no rhythm of the traffic meets a
// rhythm of ours. A set that is full gives way as Misra and Gries do (Finding repeated elements, 1982): a newcomer
// takes its weight off the lightest until that has none left. So a count is never too high but by the error of
// sampling, and a session that is heavier than all but a few of its set stays.
#pragma once
#include <cstddef>
#include <cstdint>

#include "session.h"

namespace headgate {

inline constexpr uint32_t kHeavyEvery = 16;
inline constexpr size_t kHeavySets = 1024;
inline constexpr size_t kHeavyWays = 4;

struct HeavySession {
  uint64_t source[2];       // our host; IPv4 in the low word
  uint64_t destination[2];  // the foreign one
  uint64_t bytes;           // sent since it is in the table, layer 2, estimated; 0: the slot is free
  uint32_t last_seen_ms;
  uint16_t source_port, destination_port;
  SessionTag tag;           // finds its record among the sessions; zero of UDP
  uint8_t family;           // 4 or 6
  uint8_t protocol;         // TCP or UDP
  uint8_t spare[2];
};

class HeavyTable {
 public:
  HeavyTable(void* memory, uint64_t seed) : slots_(static_cast<HeavySession*>(memory)), random_(seed | 1) {}
  static constexpr size_t kBytes = kHeavySets * kHeavyWays * sizeof(HeavySession);

  // Which packets of a batch of `n` count: first(n), then after(i, n) of each, up to n.
  unsigned first(unsigned n) {
    if (left_ < n) return left_;
    left_ -= n;
    return n;
  }
  unsigned after(unsigned i, unsigned n) {
    // xorshift64 (Marsaglia, 2003)
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    const unsigned next = i + 1 + static_cast<unsigned>(random_ % (2 * kHeavyEvery - 1));
    if (next < n) return next;
    left_ = next - n;
    return n;
  }

  // A packet of ours that counts, TCP or UDP: `ip` is its fixed header of IPv4 or IPv6, `ports` where they stand, `tag`
  // that of its record among the sessions, if it has one.
  void note(const uint8_t* ip, uint8_t family, uint8_t protocol, const uint8_t* ports, const SessionTag& tag,
            uint32_t bytes, const HashKey& secret, uint32_t now_ms);

  static constexpr size_t slots() { return kHeavySets * kHeavyWays; }
  const HeavySession& at(size_t index) const { return slots_[index]; }

 private:
  HeavySession* slots_;
  uint64_t random_;
  unsigned left_ = 0;
};

}  // namespace headgate
