// Retransmissions that were counted as lost beyond, for a while: a receiver that had the first copy says so by a
// duplicate selective acknowledgement (DSACK, RFC 2883), and then nothing had been lost. What stood still, came out of
// order beyond us, or was acknowledged by what was lost, is told from loss by that alone.
//
// By session, side and where the segment begins; forgotten when another of its place has come.
#pragma once
#include <cstddef>
#include <cstdint>

#include "session.h"
#include "tcp_steady.h"

namespace headgate {

struct SentAgain {
  uint64_t frame;
  uint32_t end;     // the sequence number behind what was sent again
  uint32_t column;  // where it was counted
  uint16_t segments;
};

class SentAgainTable {
 public:
  static constexpr size_t kSlots = 1 << 11;
  // Of one report: as many segments as one receive buffer of 64 KiB merges.
  static constexpr unsigned kPiecesMax = 64;

  struct Slot {
    SentAgain what;
    uint32_t print;  // never 0 in a slot that is taken
  };
  static constexpr size_t kBytes = kSlots * sizeof(Slot);

  explicit SentAgainTable(void* zeroed) : slots_(static_cast<Slot*>(zeroed)) {}

  void remember(const SessionTag& sender, uint32_t seq, const SentAgain& what) {
    const uint64_t place = place_of(sender, sender.side, seq);
    slots_[place >> 53] = {what, print_of(place)};
  }

  // The next report of it is of another copy.
  void forget(const SessionTag& sender, uint32_t seq) {
    const uint64_t place = place_of(sender, sender.side, seq);
    if (slots_[place >> 53].print == print_of(place)) slots_[place >> 53].print = 0;
  }

  // Takes out what lies within [start, end) as a whole, piece by piece, and gives each to `visit`. A receiver that
  // merges what it gets reports several at once.
  template <typename Visit>
  void take(const SessionTag& receiver, uint32_t start, uint32_t end, const Visit& visit) {
    for (unsigned pieces = 0; pieces < kPiecesMax && ahead(end, start) > 0; pieces++) {
      const uint64_t place = place_of(receiver, receiver.side ^ 1, start);
      Slot& slot = slots_[place >> 53];
      if (slot.print != print_of(place) || ahead(slot.what.end, end) > 0) return;
      slot.print = 0;
      start = slot.what.end;
      visit(slot.what);
    }
  }

 private:
  static uint64_t place_of(const SessionTag& session, unsigned side, uint32_t seq) {
    return (session.key() ^ (static_cast<uint64_t>(seq) << 1 | side)) * 0x9e3779b97f4a7c15ull;
  }
  static uint32_t print_of(uint64_t place) { return static_cast<uint32_t>(place >> 21) | 1; }

  Slot* slots_;
};

}  // namespace headgate
