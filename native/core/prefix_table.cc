#include "prefix_table.h"

#include <algorithm>

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
  // The root needs 16 bits behind the shared ones.
  const unsigned most = std::min(shortest, bits - 16);
  unsigned shared = 0;
  while (shared < most) {
    const Address bit = Address{1} << (bits - 1 - shared);
    if ((first.address & bit) != (last.address & bit)) break;
    shared++;
  }
  return shared;
}

constexpr unsigned kFixedStepsMax = 3;

}  // namespace

template <typename Address>
void RangeTable<Address>::build(std::vector<PrefixEntry<Address>> entries) {
  shared_ = 0;
  common_ = 0;
  starts_.clear();
  values_.clear();
  unsigned shortest = kBits;
  for (auto& entry : entries) {
    entry.address &= mask_of<Address>(entry.length);
    shortest = std::min<unsigned>(shortest, entry.length);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return a.address != b.address ? a.address < b.address : a.length < b.length;
  });
  if (!entries.empty()) shared_ = shared_bits(entries.front(), entries.back(), shortest);
  shift_ = kBits - shared_ - 16;
  if (shared_ != 0) common_ = entries.front().address >> (kBits - shared_);

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

  root_.assign(65537, 0);
  const Address base = shared_ == 0 ? Address{0} : static_cast<Address>(common_ << (kBits - shared_));
  uint32_t range = 0;
  for (uint32_t slot = 0; slot < 65536; slot++) {
    const Address start = base | (static_cast<Address>(slot) << shift_);
    while (range + 1 < starts_.size() && starts_[range + 1] <= start) range++;
    root_[slot] = range;
  }
  // The last slot searches to the last range that starts inside the shared bits.
  const Address end = base | (shared_ == 0 ? static_cast<Address>(~Address{0}) : static_cast<Address>(~Address{0}) >> shared_);
  while (range + 1 < starts_.size() && starts_[range + 1] <= end) range++;
  root_[65536] = range;
  uint32_t largest = 0;
  for (uint32_t slot = 0; slot < 65536; slot++) largest = std::max(largest, root_[slot + 1] - root_[slot] + 1);
  fixed_steps_ = 0;
  while (fixed_steps_ < kFixedStepsMax && (1u << fixed_steps_) < largest) fixed_steps_++;
}

template class RangeTable<uint32_t>;
template class RangeTable<Address6>;

PrefixTable::PrefixTable(std::vector<PrefixEntry<uint32_t>> v4, std::vector<PrefixEntry<Address6>> v6)
    : size_(v4.size() + v6.size()) {
  v4_.build(std::move(v4));
  v6_.build(std::move(v6));
}

}  // namespace headgate
