// A fixed-size hash table with open addressing, double hashing and Brent's rearrangement on insert
// (R. P. Brent, Reducing the Retrieval Time of Scatter Storage Techniques, CACM 16(2), 1973).
//
// Two things differ from the paper. Records end by age: one that the caller calls free stays where it is,
// and an insert may take its slot; nothing is ever deleted, so there are no tombstones. And every slot
// remembers how far the keys of which it is the first choice have been displaced (its *reach*), so that a
// search for an absent key costs little more than one probe, where the paper's costs 1/(1 - load).
//
// Bounds: a search makes at most kReachMax + 1 probes; an insert looks at no more than kReachMax + 1
// slots of its own path and kBrentSum * (kBrentSum + 1) / 2 slots of others', and moves one record.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace headgate {

inline constexpr unsigned kReachMax = 15;
// Total displacement that a move may cause. Above 8 nothing is gained at loads up to 0.8.
inline constexpr unsigned kBrentSum = 8;

struct BrentStats {
  uint64_t inserts;
  uint64_t reused;    // inserts that took the slot of a free record
  uint64_t moves;     // residents moved by Brent's rule
  uint64_t evicted;   // records taken out before they were free
  uint64_t refused;   // inserts that found no slot
  uint64_t occupied;  // slots that hold a record, free or not
};

// `Record` is trivially copyable, as small as may be, and has three members that are the table's:
//   uint32_t hash;          0: the slot was never used
//   uint8_t reach : 4;      of the slot, not of the record in it: both stay when the record moves
//   uint8_t displaced : 4;  keys with this slot as first choice that sit elsewhere; 15 means "15 or more"
// `Rest` is what belongs to a record and is seldom asked: it lies apart, so that the records are dense and a search
// touches few pages, and moves with its record.
struct NoRest {};
template <typename Record, typename Rest = NoRest>
class BrentTable {
 public:
  // `memory` is zeroed and holds `slots` (a power of two) records, `rests` as many of them; both outlive the table.
  BrentTable(void* memory, size_t slots, void* rests = nullptr)
      : records_(static_cast<Record*>(memory)), rests_(static_cast<Rest*>(rests)), mask_(slots - 1) {}

  size_t slots() const { return mask_ + 1; }
  const BrentStats& stats() const { return stats_; }
  Record& at(size_t index) { return records_[index]; }
  const Record& at(size_t index) const { return records_[index]; }

  // Of any 32-bit hash value the form that the table stores.
  static uint32_t usable(uint32_t hash) { return hash | 0x80000000; }

  Rest& rest_of(const Record& record) { return rests_[&record - records_]; }

  Record& home(uint32_t hash) { return records_[first(hash)]; }

  // `is(record)` compares the key; it is asked only where the hash agrees.
  template <typename Is>
  Record* find(uint32_t hash, Is is) {
    size_t index = first(hash);
    Record* record = &records_[index];
    if (record->hash == hash && is(*record)) return record;
    const size_t stride = step(hash);
    for (unsigned left = record->reach; left > 0; left--) {
      index = (index + stride) & mask_;
      Record* candidate = &records_[index];
      if (candidate->hash == hash && is(*candidate)) return candidate;
    }
    return nullptr;
  }

  // Makes room for a key that is not in the table. The caller fills the record (all but those three).
  // `is_free(record)`: its age is over. `rank(record)`: 0 for one that may not be evicted for the new key,
  // else the higher, the sooner. nullptr: every slot on the path is held by such records.
  template <typename IsFree, typename Rank>
  Record* insert(uint32_t hash, IsFree is_free, Rank rank) {
    size_t path[kReachMax + 1];
    const size_t stride = step(hash);
    size_t index = first(hash);
    unsigned length = 0;
    bool found = false;
    for (; length <= kReachMax; length++) {
      path[length] = index;
      if (records_[index].hash == 0 || is_free(records_[index])) {
        found = true;
        break;
      }
      index = (index + stride) & mask_;
    }
    stats_.inserts++;
    // The total displacement a + b of a move must beat that of taking the end of the path.
    const unsigned limit = found ? (length < kBrentSum + 1 ? length : kBrentSum + 1) : kBrentSum + 1;
    for (unsigned sum = 1; sum < limit; sum++) {
      for (unsigned a = 0; a < sum; a++) {
        if (try_move(path[a], sum - a, is_free)) return place(path[a], hash, a);
      }
    }
    if (found) return place(path[length], hash, length);
    unsigned best = 0, best_rank = 0;
    for (unsigned i = 0; i <= kReachMax; i++) {
      const unsigned candidate = rank(records_[path[i]]);
      if (candidate > best_rank) best_rank = candidate, best = i;
    }
    if (best_rank == 0) {
      stats_.refused++;
      return nullptr;
    }
    stats_.evicted++;
    stats_.reused--;  // place() counts a reuse, which an eviction is not
    return place(path[best], hash, best);
  }

  // Probes that a search for the record takes, from 1; for tests and `describe`.
  unsigned probes(const Record& record) const {
    size_t index = first(record.hash);
    for (unsigned i = 1;; i++) {
      if (&records_[index] == &record) return i;
      index = (index + step(record.hash)) & mask_;
    }
  }

 private:
  size_t first(uint32_t hash) const { return hash & mask_; }
  // Odd, so that it visits every slot of a power of two; of other bits than the first choice.
  size_t step(uint32_t hash) const { return ((hash * 0x9e3779b1u) >> 7) | 1u; }

  // Moves the record at `from` by `steps` along its own path when the slot there can be had.
  template <typename IsFree>
  bool try_move(size_t from, unsigned steps, IsFree is_free) {
    const uint32_t hash = records_[from].hash;
    const size_t to = (from + steps * step(hash)) & mask_;
    if (to == from || !(records_[to].hash == 0 || is_free(records_[to]))) return false;
    const size_t own_home = first(hash);
    const unsigned position = probes(records_[from]) - 1 + steps;
    if (position > kReachMax) return false;
    vacate(to);
    const uint8_t reach = records_[to].reach, displaced = records_[to].displaced;
    records_[to] = records_[from];
    if constexpr (!std::is_empty_v<Rest>) rests_[to] = rests_[from];
    records_[to].reach = reach & 15;
    records_[to].displaced = displaced & 15;
    records_[from].hash = 0;
    if (from == own_home && records_[own_home].displaced < 15) records_[own_home].displaced++;
    if (records_[own_home].reach < position) records_[own_home].reach = position & 15;
    stats_.moves++;
    return true;
  }

  // Takes out what is at `index`, so that its home no longer counts it.
  void vacate(size_t index) {
    const uint32_t hash = records_[index].hash;
    if (hash == 0) return;
    stats_.reused++;
    stats_.occupied--;
    records_[index].hash = 0;
    if (first(hash) == index) return;
    Record& at_home = records_[first(hash)];
    // A count that was once capped is no longer known, so that slot keeps its reach for good.
    if (at_home.displaced < 15 && at_home.displaced > 0 && --at_home.displaced == 0) at_home.reach = 0;
  }

  Record* place(size_t index, uint32_t hash, unsigned position) {
    vacate(index);
    stats_.occupied++;
    records_[index].hash = hash;
    if (position > 0) {
      Record& at_home = records_[first(hash)];
      if (at_home.displaced < 15) at_home.displaced++;
      if (at_home.reach < position) at_home.reach = position & 15;
    }
    return &records_[index];
  }

  Record* records_;
  Rest* rests_;
  size_t mask_;
  BrentStats stats_{};
};

}  // namespace headgate
