#include "prefix_table.h"

#include <algorithm>
#include <cassert>

namespace headgate {
namespace {

template <typename Address>
Address mask_of(unsigned length) {
  constexpr unsigned bits = sizeof(Address) * 8;
  return length == 0 ? Address{0} : static_cast<Address>(~Address{0} << (bits - length));
}

// Leading bits that the first and the last of sorted prefixes share: then all between share them too.
template <typename Address>
unsigned shared_bits(const PrefixEntry<Address>& first, const PrefixEntry<Address>& last, unsigned shortest) {
  constexpr unsigned bits = sizeof(Address) * 8;
  // The root has a bit behind the shared ones at least.
  const unsigned most = std::min(shortest, bits - 1);
  unsigned shared = 0;
  while (shared < most) {
    const Address bit = Address{1} << (bits - 1 - shared);
    if ((first.address & bit) != (last.address & bit)) break;
    shared++;
  }
  return shared;
}

}  // namespace

template <typename Address>
void RangeTable<Address>::build(std::vector<PrefixEntry<Address>> entries) {
  spans_.clear();
  starts_.clear();
  values_.clear();
  unsigned shortest = kBits, longest = 0;
  for (auto& entry : entries) {
    entry.address &= mask_of<Address>(entry.length);
    assert(entry.value < kSearch || entry.value == HG_NONE);
    shortest = std::min<unsigned>(shortest, entry.length);
    longest = std::max<unsigned>(longest, entry.length);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.address != b.address ? a.address < b.address : a.length < b.length;
  });
  const unsigned shared = entries.empty() ? 0 : shared_bits(entries.front(), entries.back(), shortest);
  const unsigned root_bits = std::clamp(longest > shared ? longest - shared : 1u, 1u, std::min(kRootBitsMax, kBits - shared));
  shift_ = kBits - shared - root_bits;
  slot_mask_ = (1u << root_bits) - 1;
  shared_mask_ = mask_of<Address>(shared);
  common_ = entries.empty() ? Address{0} : static_cast<Address>(entries.front().address & shared_mask_);

  const auto put = [this](Address start, uint32_t value) {
    if (!starts_.empty() && starts_.back() == start) {
      values_.back() = value;
      // The range before may now hold the same value.
      if (values_.size() > 1 && values_[values_.size() - 2] == value) {
        starts_.pop_back();
        values_.pop_back();
      }
    } else if (values_.empty() || values_.back() != value) {
      starts_.push_back(start);
      values_.push_back(value);
    }
  };
  // Prefixes that are open at this point, the innermost last; each ends inside the one before.
  struct Open {
    Address last;
    uint32_t value;
  };
  std::vector<Open> open;
  const auto close_before = [&](Address address, bool all) {
    while (!open.empty() && (all || open.back().last < address)) {
      const Address last = open.back().last;
      open.pop_back();
      if (last == static_cast<Address>(~Address{0})) continue;
      put(last + 1, open.empty() ? HG_NONE : open.back().value);
    }
  };
  put(0, HG_NONE);
  for (const auto& entry : entries) {
    close_before(entry.address, false);
    put(entry.address, entry.value);
    open.push_back({static_cast<Address>(entry.address | ~mask_of<Address>(entry.length)), entry.value});
  }
  close_before(0, true);

  root_.resize(slot_mask_ + 1u);
  uint32_t range = 0;
  for (uint32_t slot = 0; slot <= slot_mask_; slot++) {
    const Address start = common_ | static_cast<Address>(static_cast<Address>(slot) << shift_);
    const Address last = start | static_cast<Address>((Address{1} << shift_) - 1);
    while (range + 1 < starts_.size() && starts_[range + 1] <= start) range++;
    const uint32_t first = range;
    while (range + 1 < starts_.size() && starts_[range + 1] <= last) range++;
    if (range == first) {
      root_[slot] = values_[first];
    } else {
      root_[slot] = kSearch + static_cast<uint32_t>(spans_.size());
      spans_.push_back({first, range - first + 1});
    }
  }
}

template class RangeTable<uint32_t>;
template class RangeTable<Address6>;

PrefixTable::PrefixTable(std::vector<PrefixEntry<uint32_t>> v4, std::vector<PrefixEntry<Address6>> v6)
    : size_(v4.size() + v6.size()) {
  v4_.build(std::move(v4));
  v6_.build(std::move(v6));
}

}  // namespace headgate
