// Counters by block: traffic by link and direction, which every packet touches, as random as its addresses, and round trips.
// A block has a row of small counters for what came last, in one cache line where there are four links at most, so that the
// rows of many blocks stay in the cache; they are added to sums when they are full.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../abi/records.h"
#include "histogram.h"

namespace headgate {

class BlockTable {
 public:
  // Where its parts are, each zeroed and aligned to 64. A column is a link and direction.
  struct Parts {
    void *recent, *traffic, *round_trips;
  };
  static constexpr size_t recent_bytes(size_t blocks, size_t columns) { return blocks * row_of(columns) * sizeof(uint32_t); }
  static constexpr size_t traffic_bytes(size_t blocks, size_t columns) { return blocks * columns * sizeof(Traffic); }
  static constexpr size_t round_trip_bytes(size_t blocks) { return blocks * sizeof(RoundTrips); }

  BlockTable(const Parts& parts, size_t columns)
      : recent_(static_cast<uint32_t*>(parts.recent)),
        traffic_(static_cast<Traffic*>(parts.traffic)),
        round_trips_(static_cast<RoundTrips*>(parts.round_trips)),
        columns_(static_cast<uint32_t>(columns)),
        row_(static_cast<uint32_t>(row_of(columns))) {}

  // Where a block's packets of a column are counted. The next column's is the next one.
  __attribute__((always_inline)) uint32_t cell(uint32_t block, uint32_t column) const {
    return block * row_ + kRoundTripWords + column;
  }
  __attribute__((always_inline)) void prefetch(uint32_t cell) const { __builtin_prefetch(&recent_[cell], 1); }

  // One packet of Ethernet without a tag and without anything behind the IP packet.
  __attribute__((always_inline)) void count_plain(uint32_t cell, uint32_t ip_bytes) {
    const uint32_t recent = recent_[cell] + (kOne | ip_bytes);
    __atomic_store_n(&recent_[cell], recent, __ATOMIC_RELAXED);
    if (recent & kFull) [[unlikely]] flush(cell);
  }

  void count(uint32_t cell, const hg_traffic& amount) {
    const uint32_t block = cell / row_;
    add(&traffic_of(block, cell - this->cell(block, 0)).sum, amount.packets, amount.ip_bytes, amount.l2_bytes);
  }

  // One round trip of a block, `first` being the cell of its column 0; of none is_wanted says so, without a branch.
  __attribute__((always_inline)) void count_round_trip(uint32_t first, uint32_t rtt_us, bool is_wanted) {
    uint8_t* const recent = reinterpret_cast<uint8_t*>(&recent_[first - kRoundTripWords]) + BlockRtt::index_of(rtt_us);
    const auto count = static_cast<uint8_t>(*recent + is_wanted);
    __atomic_store_n(recent, count, __ATOMIC_RELAXED);
    if (count == kRoundTripsFull) [[unlikely]] flush_round_trips(first / row_);
  }

  // By any thread: what was counted until some moment.
  hg_traffic traffic(uint32_t block, uint32_t column) const {
    const Traffic& part = traffic_of(block, column);
    return consistent<hg_traffic>(part.flushes, [&] {
      hg_traffic traffic = {load(part.sum.packets), load(part.sum.ip_bytes), load(part.sum.l2_bytes)};
      add(&traffic, load(recent_[cell(block, column)]));
      return traffic;
    });
  }
  BlockRtt round_trips(uint32_t block) const {
    const RoundTrips& part = round_trips_[block];
    return consistent<BlockRtt>(part.flushes, [&] {
      BlockRtt counts = {};
      const uint8_t* const recent = recent_of(block);
      for (unsigned i = 0; i < BlockRtt::kBuckets; i++) counts.bucket[i] = load(part.sum.bucket[i]) + load(recent[i]);
      return counts;
    });
  }

 private:
  struct alignas(32) Traffic {
    hg_traffic sum;
    uint64_t flushes;  // begun and ended: odd while one goes on
  };
  struct RoundTrips {
    BlockRtt sum;
    uint32_t flushes;  // likewise
  };
  static constexpr unsigned kBytesBits = 23;
  static constexpr uint32_t kOne = 1u << kBytesBits;
  // Either half filled: there is room for one IP packet of any length more.
  static constexpr uint32_t kFull = 1u << 31 | 1u << (kBytesBits - 1);
  static constexpr uint32_t kEthernet = 14;

  // A row has a byte for each bucket of round trips, then four bytes for each column.
  static constexpr uint32_t kRoundTripWords = BlockRtt::kBuckets / sizeof(uint32_t);
  static_assert(BlockRtt::kBuckets % sizeof(uint32_t) == 0);
  static constexpr uint8_t kRoundTripsFull = 255;
  // Words from one row to the next: whole cache lines.
  static constexpr size_t row_of(size_t columns) { return (kRoundTripWords + columns + 15) / 16 * 16; }

  Traffic& traffic_of(uint32_t block, uint32_t column) const { return traffic_[size_t{block} * columns_ + column]; }
  uint8_t* recent_of(uint32_t block) const { return reinterpret_cast<uint8_t*>(&recent_[size_t{block} * row_]); }

  template <typename T>
  static T load(const T& value) {
    return __atomic_load_n(&value, __ATOMIC_RELAXED);
  }
  template <typename T>
  static void store(T& value, T to) {
    __atomic_store_n(&value, to, __ATOMIC_RELAXED);
  }
  static void add(hg_traffic* traffic, uint64_t packets, uint64_t ip_bytes, uint64_t l2_bytes) {
    store(traffic->packets, traffic->packets + packets);
    store(traffic->ip_bytes, traffic->ip_bytes + ip_bytes);
    store(traffic->l2_bytes, traffic->l2_bytes + l2_bytes);
  }
  static void add(hg_traffic* traffic, uint32_t recent) {
    const uint32_t packets = recent >> kBytesBits, ip_bytes = recent & (kOne - 1);
    add(traffic, packets, ip_bytes, ip_bytes + packets * kEthernet);
  }

  // What `read` gives when nothing moved from recent counters to sums meanwhile: it would be there twice, or not at all.
  template <typename Value, typename Flushes, typename Read>
  static Value consistent(const Flushes& flushes, Read read) {
    for (;;) {
      const Flushes before = __atomic_load_n(&flushes, __ATOMIC_ACQUIRE);
      const Value value = read();
      std::atomic_thread_fence(std::memory_order_acquire);
      if (before % 2 == 0 && before == load(flushes)) return value;
    }
  }
  template <typename Flushes, typename Move>
  static void move(Flushes& flushes, Move what) {
    store(flushes, static_cast<Flushes>(flushes + 1));
    std::atomic_thread_fence(std::memory_order_release);
    what();
    __atomic_store_n(&flushes, static_cast<Flushes>(flushes + 1), __ATOMIC_RELEASE);
  }

  __attribute__((noinline)) void flush(uint32_t cell) {
    const uint32_t block = cell / row_;
    Traffic& part = traffic_of(block, cell - this->cell(block, 0));
    move(part.flushes, [&] {
      add(&part.sum, recent_[cell]);
      store(recent_[cell], 0u);
    });
  }
  __attribute__((noinline)) void flush_round_trips(uint32_t block) {
    RoundTrips& part = round_trips_[block];
    uint8_t* const recent = recent_of(block);
    move(part.flushes, [&] {
      for (unsigned i = 0; i < BlockRtt::kBuckets; i++) {
        store(part.sum.bucket[i], part.sum.bucket[i] + recent[i]);
        store(recent[i], uint8_t{0});
      }
    });
  }

  uint32_t* recent_;
  Traffic* traffic_;
  RoundTrips* round_trips_;
  uint32_t columns_;
  uint32_t row_;
};

}  // namespace headgate
