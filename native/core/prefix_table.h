// Longest-prefix match from an address to a value below 2^31: disjoint sorted ranges behind a root array.
//
// Prefixes are flattened to ranges, so that a lookup is one root access and, only where a slot of the root holds
// several ranges, a short branch-free binary search, whatever the nesting. The root has as many bits as the prefixes
// need, 16 at most: blocks of equal length are a flat array, as large as there are blocks. Immutable once built: a new
// table is built beside it and the pointer to it is swapped. Cost per prefix: at most 2 ranges of 8 bytes (IPv4) or 20
// bytes (IPv6).
#pragma once
#include <cstdint>
#include <vector>

#include "../abi/records.h"
#include "byte_order.h"

namespace headgate {

__extension__ using Address6 = unsigned __int128;

// An IPv6 address as a number, from the bytes of a packet.
inline Address6 load_address6(const uint8_t* at) {
  return (static_cast<Address6>(load_be64(at)) << 64) | load_be64(at + 8);
}

template <typename Address>
struct PrefixEntry {
  Address address;  // host bits are ignored
  uint8_t length;   // 0..32 or 0..128
  uint32_t value;   // HG_NONE hides what covers it
};

template <typename Address>
class RangeTable {
 public:
  static constexpr unsigned kBits = sizeof(Address) * 8;

  RangeTable() { build({}); }

  // Of equal prefixes the last wins.
  void build(std::vector<PrefixEntry<Address>> entries);

  __attribute__((always_inline)) uint32_t lookup(Address address) const {
    // Everything outside the bits that all prefixes share has no prefix at all.
    if ((address & shared_mask_) != common_) return HG_NONE;
    const uint32_t entry = root_[slot_of(address)];
    return entry + 1 <= kSearch ? entry : search(address, spans_[entry - kSearch]);
  }

  // All ranges in ascending order as visit(first address, value); the first begins at 0.
  template <typename Visit>
  void each(Visit&& visit) const {
    for (size_t i = 0; i < starts_.size(); i++) visit(starts_[i], values_[i]);
  }
  size_t ranges() const { return starts_.size(); }

  size_t bytes() const {
    return root_.size() * sizeof(uint32_t) + spans_.size() * sizeof(Span) + starts_.size() * sizeof(Address) +
           values_.size() * sizeof(uint32_t);
  }

 private:
  // Entries of the root from here up, but for HG_NONE, are the index of a span; below they are the value itself.
  static constexpr uint32_t kSearch = 0x80000000;
  static constexpr unsigned kRootBitsMax = 16;

  // The ranges that one slot of the root reaches into.
  struct Span {
    uint32_t first, count;
  };

  uint32_t slot_of(Address address) const { return static_cast<uint32_t>(address >> shift_) & slot_mask_; }

  uint32_t search(Address address, Span span) const {
    // The last start that is not above the address; the first of a span never is.
    uint32_t low = span.first;
    for (uint32_t count = span.count; count > 1;) {
      const uint32_t half = count / 2;
      low = starts_[low + half] <= address ? low + half : low;
      count -= half;
    }
    return values_[low];
  }

  unsigned shift_ = 0;
  uint32_t slot_mask_ = 0;
  Address shared_mask_ = 0;  // leading bits that all prefixes have alike
  Address common_ = 0;       // those bits
  std::vector<uint32_t> root_;    // by the bits behind them
  std::vector<Span> spans_;       // of slots with several ranges
  std::vector<Address> starts_;   // first address of each range, ascending
  std::vector<uint32_t> values_;  // value of each range
};

extern template class RangeTable<uint32_t>;
extern template class RangeTable<Address6>;

// Both families.
class PrefixTable {
 public:
  PrefixTable() = default;
  PrefixTable(std::vector<PrefixEntry<uint32_t>> v4, std::vector<PrefixEntry<Address6>> v6);

  // `at`: an address in network order as it stands in the packet; `network` is 4 or 6.
  __attribute__((always_inline)) uint32_t lookup(uint8_t network, const uint8_t* at) const {
    return network == 4 ? v4_.lookup(load_be32(at)) : v6_.lookup(load_address6(at));
  }
  uint32_t lookup4(uint32_t address) const { return v4_.lookup(address); }
  uint32_t lookup6(Address6 address) const { return v6_.lookup(address); }
  const RangeTable<uint32_t>& v4() const { return v4_; }
  const RangeTable<Address6>& v6() const { return v6_; }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t bytes() const { return v4_.bytes() + v6_.bytes(); }

 private:
  RangeTable<uint32_t> v4_;
  RangeTable<Address6> v6_;
  size_t size_ = 0;
};

}  // namespace headgate
