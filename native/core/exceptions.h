// Sessions that leave by another link than the tables would now give them: what eBPF keeps in a BPF map of the same
// capacity and the same keys. A session has two sets of four to be in, each one cache line; when both are full, the one
// longest unseen goes.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../abi/gate.h"
#include "mark.h"

namespace headgate {

class ExceptionTable {
 public:
  static constexpr size_t kWays = 4;
  static constexpr size_t bytes() { return HG_EXCEPTIONS_MAX * sizeof(Entry); }

  // `memory`: zeroed, aligned to 64, bytes() of it.
  explicit ExceptionTable(void* memory) : entries_(static_cast<Entry*>(memory)) {}

  // The link or HG_LINK_PLAIN that the session keeps, or HG_LINK_UNKNOWN: it is no exception.
  uint8_t find(const hg_exception_key& key, uint32_t now_ms) {
    Entry* const entry = at(key);
    if (entry == nullptr) return HG_LINK_UNKNOWN;
    entry->seen_ms = now_ms;
    return static_cast<uint8_t>(entry->link - 1);
  }

  // True when another session had to go for it that had been seen within `fresh_ms`.
  bool put(const hg_exception_key& key, uint8_t link, uint32_t now_ms, uint32_t fresh_ms) {
    Entry* entry = at(key);
    bool is_lost = false;
    if (entry == nullptr) {
      entry = place_for(key, now_ms);
      is_lost = entry->link != 0 && now_ms - entry->seen_ms < fresh_ms;
      used_ += entry->link == 0;
    }
    *entry = {key.hash, key.ports, now_ms, static_cast<uint16_t>(link + 1), 0};
    return is_lost;
  }

  size_t used() const { return used_; }  // sessions that are kept, until others take their place

 private:
  struct Entry {
    uint32_t hash, ports;
    uint32_t seen_ms;
    uint16_t link;  // and one; 0: the entry is empty
    uint16_t reserved;
  };
  static_assert(sizeof(Entry) * kWays == 64);
  static constexpr size_t kSetMask = HG_EXCEPTIONS_MAX / kWays - 1;
  static_assert(kSetMask < 1 << 16);

  struct Sets {
    Entry* one[2];
  };
  Sets sets_of(const hg_exception_key& key) {
    // The low bits of the hash chose the bucket, and exceptions come from few of them.
    const uint32_t mixed = hg_mix32(key.hash, key.ports);
    return {{entries_ + (mixed & kSetMask) * kWays, entries_ + (mixed >> 16 & kSetMask) * kWays}};
  }
  Entry* at(const hg_exception_key& key) {
    for (Entry* const set : sets_of(key).one) {
      for (size_t i = 0; i < kWays; i++) {
        if (set[i].link != 0 && set[i].hash == key.hash && set[i].ports == key.ports) return &set[i];
      }
    }
    return nullptr;
  }
  // An empty one, or the one longest unseen.
  Entry* place_for(const hg_exception_key& key, uint32_t now_ms) {
    Entry* found = nullptr;
    for (Entry* const set : sets_of(key).one) {
      for (size_t i = 0; i < kWays; i++) {
        if (set[i].link == 0) return &set[i];
        if (found == nullptr || now_ms - set[i].seen_ms > now_ms - found->seen_ms) found = &set[i];
      }
    }
    return found;
  }

  Entry* entries_;
  size_t used_ = 0;
};

}  // namespace headgate
