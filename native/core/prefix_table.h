// Longest-prefix match from an address to a 32-bit value: disjoint sorted ranges behind a 16-bit root.
//
// Prefixes are flattened to ranges, so that a lookup is one root access and a short branch-free binary
// search, whatever the nesting. Immutable once built: a new table is built beside it and the pointer to
// it is swapped. Cost per prefix: at most 2 ranges of 8 bytes (IPv4) or 20 bytes (IPv6).
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

  uint32_t lookup(Address address) const {
    // Everything outside the bits that all prefixes share has no prefix at all.
    if (shared_ != 0 && (address >> (kBits - shared_)) != common_) return HG_NONE;
    const uint32_t slot = static_cast<uint32_t>(address >> shift_) & 0xffff;
    uint32_t low = root_[slot];
    uint32_t count = root_[slot + 1] - low + 1;
    // The last start that is not above the address; starts_[low] never is. A step with one candidate left
    // changes nothing: where slots are small, a fixed number of steps saves a branch that nobody can predict.
    for (unsigned step = 0; step < fixed_steps_; step++) {
      const uint32_t half = count / 2;
      low = starts_[low + half] <= address ? low + half : low;
      count -= half;
    }
    while (count > 1) {
      const uint32_t half = count / 2;
      low = starts_[low + half] <= address ? low + half : low;
      count -= half;
    }
    return values_[low];
  }

  void prefetch(Address address) const {
    __builtin_prefetch(&root_[static_cast<uint32_t>(address >> shift_) & 0xffff]);
  }

  // All ranges in ascending order as visit(first address, value); the first begins at 0.
  template <typename Visit>
  void each(Visit&& visit) const {
    for (size_t i = 0; i < starts_.size(); i++) visit(starts_[i], values_[i]);
  }
  size_t ranges() const { return starts_.size(); }

  size_t bytes() const {
    return root_.size() * sizeof(uint32_t) + starts_.size() * sizeof(Address) + values_.size() * sizeof(uint32_t);
  }

 private:
  unsigned fixed_steps_ = 0;  // enough for the largest slot, where that is small
  unsigned shared_ = 0;  // leading bits that all prefixes have alike
  unsigned shift_ = kBits - 16;
  Address common_ = 0;             // those bits
  std::vector<uint32_t> root_;     // by the 16 bits behind them: index of the range that holds the slot's start
  std::vector<Address> starts_;    // first address of each range, ascending
  std::vector<uint32_t> values_;   // value of each range
};

extern template class RangeTable<uint32_t>;
extern template class RangeTable<Address6>;

// Both families.
class PrefixTable {
 public:
  PrefixTable() = default;
  PrefixTable(std::vector<PrefixEntry<uint32_t>> v4, std::vector<PrefixEntry<Address6>> v6);

  // `at`: an address in network order as it stands in the packet; `network` is 4 or 6.
  uint32_t lookup(uint8_t network, const uint8_t* at) const {
    return network == 4 ? v4_.lookup(load_be32(at)) : v6_.lookup(load_address6(at));
  }
  uint32_t lookup4(uint32_t address) const { return v4_.lookup(address); }
  uint32_t lookup6(Address6 address) const { return v6_.lookup(address); }
  void prefetch(uint8_t network, const uint8_t* at) const {
    if (network == 4) v4_.prefetch(load_be32(at));
  }
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
