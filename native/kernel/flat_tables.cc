#include "kernel/flat_tables.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace headgate {
namespace {

constexpr unsigned kRootBitsMax = 20;

uint32_t pages_for(size_t entries, uint32_t per_page) {
  return static_cast<uint32_t>((entries + per_page - 1) / per_page);
}

// As many slots as ranges, so that most hold one or two: each address then costs one or two cache lines.
unsigned root_bits_for(size_t ranges) {
  return std::min<unsigned>(kRootBitsMax, static_cast<unsigned>(std::bit_width(ranges)) + 2);
}

void put(hg_page* pages, uint32_t base, size_t at, uint32_t start, uint32_t value) {
  pages[base + at / HG_RANGES4_PER_PAGE].range4[at % HG_RANGES4_PER_PAGE] = {start, value};
}

void put(hg_page* pages, uint32_t base, size_t at, Address6 start, uint32_t value) {
  pages[base + at / HG_RANGES6_PER_PAGE].range6[at % HG_RANGES6_PER_PAGE] = {
      {static_cast<uint64_t>(start >> 64), static_cast<uint64_t>(start)}, value, {0, 0, 0}};
}

template <typename Address>
Address start_at(const hg_page* pages, uint32_t base, size_t at) {
  if constexpr (sizeof(Address) == sizeof(uint32_t)) {
    return pages[base + at / HG_RANGES4_PER_PAGE].range4[at % HG_RANGES4_PER_PAGE].start;
  } else {
    const uint64_t* start = pages[base + at / HG_RANGES6_PER_PAGE].range6[at % HG_RANGES6_PER_PAGE].start;
    return static_cast<Address>(start[0]) << 64 | start[1];
  }
}

template <typename Address>
uint32_t value_at(const hg_page* pages, uint32_t base, size_t at) {
  if constexpr (sizeof(Address) == sizeof(uint32_t)) {
    return pages[base + at / HG_RANGES4_PER_PAGE].range4[at % HG_RANGES4_PER_PAGE].value;
  } else {
    return pages[base + at / HG_RANGES6_PER_PAGE].range6[at % HG_RANGES6_PER_PAGE].value;
  }
}

constexpr uint32_t per_page(uint32_t) { return HG_RANGES4_PER_PAGE; }
constexpr uint32_t per_page(Address6) { return HG_RANGES6_PER_PAGE; }

template <typename Address>
uint32_t pages_of(const RangeTable<Address>& table) {
  return pages_for(size_t{1} << root_bits_for(table.ranges()), HG_ROOTS_PER_PAGE) +
         pages_for(table.ranges(), per_page(Address{}));
}

// Leading bits that all addresses with a value share; leaves the root its bits, and IPv6 a 64-bit word to look at.
template <typename Address>
unsigned shared_bits(const RangeTable<Address>& table) {
  constexpr unsigned bits = sizeof(Address) * 8;
  constexpr unsigned most = bits == 32 ? bits - kRootBitsMax : 64 - kRootBitsMax;
  bool is_first = true, was_valued = false;
  Address first = 0, last = 0;
  table.each([&](Address start, uint32_t value) {
    if (was_valued) last = start - 1;
    was_valued = value != HG_NONE;
    if (was_valued && is_first) first = start, is_first = false;
  });
  if (was_valued) last = ~Address{0};
  if (is_first) return 0;
  unsigned shared = 0;
  while (shared < most && ((first ^ last) >> (bits - 1 - shared)) == 0) shared++;
  return shared;
}

// Writes roots and ranges from page `*at` on and moves it behind them.
template <typename Address>
hg_flat_index write_index(const RangeTable<Address>& table, hg_page* pages, uint32_t* at) {
  constexpr unsigned bits = sizeof(Address) * 8;
  hg_flat_index index = {};
  const size_t ranges = table.ranges();
  index.root_bits = root_bits_for(ranges);
  index.root_page = *at;
  index.range_page = index.root_page + pages_for(size_t{1} << index.root_bits, HG_ROOTS_PER_PAGE);
  *at = index.range_page + pages_for(ranges, per_page(Address{}));

  index.shared = shared_bits(table);
  Address common = 0;
  size_t n = 0;
  table.each([&](Address start, uint32_t value) {
    put(pages, index.range_page, n++, start, value);
    if (value != HG_NONE && index.ranges == 0) {
      index.ranges = static_cast<uint32_t>(ranges);
      common = start;
    }
  });
  // Nothing has a value: the lookup ends at once.
  if (index.ranges == 0) return index;
  if (index.shared != 0) index.common = static_cast<uint64_t>(common >> (bits - index.shared));

  // Slots and ranges ascend side by side: each slot begins in the range that the one before it ended in, or the next.
  const unsigned width = bits - index.shared - index.root_bits;  // of the address behind the root's bits
  const Address base = index.shared == 0 ? Address{0} : static_cast<Address>(index.common) << (bits - index.shared);
  size_t range = 0;
  const auto advance_to = [&](Address address) {
    while (range + 1 < ranges && start_at<Address>(pages, index.range_page, range + 1) <= address) range++;
  };
  for (uint32_t slot = 0; slot < 1u << index.root_bits; slot++) {
    const Address first = base + (static_cast<Address>(slot) << width);
    advance_to(first);
    const auto begin = static_cast<uint32_t>(range);
    advance_to(first + ((Address{1} << width) - 1));
    pages[index.root_page + slot / HG_ROOTS_PER_PAGE].root[slot % HG_ROOTS_PER_PAGE] =
        range == begin ? hg_flat_root{value_at<Address>(pages, index.range_page, begin), 0}
                       : hg_flat_root{begin, static_cast<uint32_t>(range) - begin + 1};
  }
  return index;
}

void write_rules(const WireRules& rules, hg_flat_head* head, hg_page* pages) {
  head->may_mark = rules.may_mark;
  head->wire_link = rules.link;
  head->macs = rules.macs;
  head->by_vlan = rules.by_vlan;
  head->by_dscp = rules.by_dscp;
  std::copy(std::begin(rules.mac), std::end(rules.mac), head->mac);
  std::copy(std::begin(rules.mac_link), std::end(rules.mac_link), head->mac_link);
  std::copy(std::begin(rules.dscp_link), std::end(rules.dscp_link), head->dscp_link);
  static_assert(sizeof rules.vlan_link == sizeof(hg_page));
  memcpy(pages[HG_PAGE_VLANS].bytes, rules.vlan_link, sizeof rules.vlan_link);
}

}  // namespace

uint32_t CountLayout::cell_pages() const { return pages_for((blocks + 1ull) * columns(), HG_CELLS_PER_PAGE); }

uint32_t CountLayout::cpu_pages() const { return cell_pages() + pages_for(destinations, HG_DESTINATIONS_PER_PAGE); }

size_t flat_pages(const Tables& tables) {
  return size_t{HG_PAGE_RANGES} + pages_of(tables.blocks.v4()) + pages_of(tables.blocks.v6()) +
         pages_of(tables.destinations.v4()) + pages_of(tables.destinations.v6());
}

void write_flat(const Tables& tables, uint32_t wire, const CountLayout& counts, hg_page* pages) {
  hg_flat_head* const head = &pages[HG_PAGE_HEAD].head;
  head->generation = tables.generation;
  head->blocks = counts.blocks;
  head->destinations = counts.destinations;
  head->columns = counts.columns();
  head->cpu_pages = counts.cpu_pages();
  head->cell_pages = counts.cell_pages();
  write_rules(tables.wires[wire], head, pages);
  write_flat(tables.marks, HG_PAGE_MARKS(0), pages);
  uint32_t at = HG_PAGE_RANGES;
  head->block[0] = write_index(tables.blocks.v4(), pages, &at);
  head->block[1] = write_index(tables.blocks.v6(), pages, &at);
  head->destination[0] = write_index(tables.destinations.v4(), pages, &at);
  head->destination[1] = write_index(tables.destinations.v6(), pages, &at);
}

void write_flat(const Marks& marks, uint32_t page, hg_page* pages) {
  hg_mark_table* const table = &pages[page].marks;
  *table = marks.table;
  table->bucket_page = page + 1;
  for (size_t i = 0; i < marks.buckets.size(); i++)
    pages[table->bucket_page + i / HG_BUCKETS_PER_PAGE].bucket[i % HG_BUCKETS_PER_PAGE] = marks.buckets[i];
}

}  // namespace headgate
