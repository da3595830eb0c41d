// Traffic by block, link and direction: the counters that every packet touches, as random as its addresses. Each has four
// bytes for what came last, so that those of many blocks stay in the cache, and three sums that these are added to when
// they are full.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../abi/records.h"

namespace headgate {

class TrafficTable {
 public:
  static constexpr size_t recent_bytes(size_t cells) { return cells * sizeof(uint32_t); }
  static constexpr size_t sum_bytes(size_t cells) { return cells * sizeof(Sum); }

  TrafficTable() = default;
  // Both zeroed, aligned to 64.
  TrafficTable(void* recent, void* sums) : recent_(static_cast<uint32_t*>(recent)), sums_(static_cast<Sum*>(sums)) {}

  __attribute__((always_inline)) void prefetch(size_t cell) const { __builtin_prefetch(&recent_[cell], 1); }

  // One packet of Ethernet without a tag and without anything behind the IP packet.
  __attribute__((always_inline)) void count_plain(size_t cell, uint32_t ip_bytes) {
    const uint32_t recent = recent_[cell] + (kOne | ip_bytes);
    __atomic_store_n(&recent_[cell], recent, __ATOMIC_RELAXED);
    if (recent & kFull) [[unlikely]] flush(cell);
  }

  void count(size_t cell, const hg_traffic& amount) {
    add(&sums_[cell].traffic, amount.packets, amount.ip_bytes, amount.l2_bytes);
  }

  // By any thread: what was counted until some moment.
  hg_traffic read(size_t cell) const {
    const Sum& sum = sums_[cell];
    for (;;) {
      const uint64_t flushes = __atomic_load_n(&sum.flushes, __ATOMIC_ACQUIRE);
      hg_traffic traffic = {load(sum.traffic.packets), load(sum.traffic.ip_bytes), load(sum.traffic.l2_bytes)};
      add(&traffic, __atomic_load_n(&recent_[cell], __ATOMIC_RELAXED));
      std::atomic_thread_fence(std::memory_order_acquire);
      // What was being added meanwhile may be here twice, or not at all.
      if (flushes % 2 == 0 && flushes == load(sum.flushes)) return traffic;
    }
  }

 private:
  struct alignas(32) Sum {
    hg_traffic traffic;
    uint64_t flushes;  // begun and ended: odd while one goes on
  };
  static constexpr unsigned kBytesBits = 23;
  static constexpr uint32_t kOne = 1u << kBytesBits;
  // Either half filled: there is room for one IP packet of any length more.
  static constexpr uint32_t kFull = 1u << 31 | 1u << (kBytesBits - 1);
  static constexpr uint32_t kEthernet = 14;

  static uint64_t load(const uint64_t& value) { return __atomic_load_n(&value, __ATOMIC_RELAXED); }
  static void add(hg_traffic* traffic, uint64_t packets, uint64_t ip_bytes, uint64_t l2_bytes) {
    __atomic_store_n(&traffic->packets, traffic->packets + packets, __ATOMIC_RELAXED);
    __atomic_store_n(&traffic->ip_bytes, traffic->ip_bytes + ip_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&traffic->l2_bytes, traffic->l2_bytes + l2_bytes, __ATOMIC_RELAXED);
  }
  static void add(hg_traffic* traffic, uint32_t recent) {
    const uint32_t packets = recent >> kBytesBits, ip_bytes = recent & (kOne - 1);
    add(traffic, packets, ip_bytes, ip_bytes + packets * kEthernet);
  }

  __attribute__((noinline)) void flush(size_t cell) {
    Sum& sum = sums_[cell];
    __atomic_store_n(&sum.flushes, sum.flushes + 1, __ATOMIC_RELAXED);
    std::atomic_thread_fence(std::memory_order_release);
    add(&sum.traffic, recent_[cell]);
    __atomic_store_n(&recent_[cell], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&sum.flushes, sum.flushes + 1, __ATOMIC_RELEASE);
  }

  uint32_t* recent_ = nullptr;
  Sum* sums_ = nullptr;
};

}  // namespace headgate
