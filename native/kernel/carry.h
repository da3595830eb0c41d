/* What happens to a packet in the kernel beside being forwarded: attribute, choose, count. One text for eBPF and for
 * the tests, which compare it with the pipeline (core/pipeline.cc), whose results it must give. */
#ifndef HEADGATE_KERNEL_CARRY_H
#define HEADGATE_KERNEL_CARRY_H
#include "../core/checksum.h"
#include "pages.h"

#ifdef HG_BPF
/* Verified once for each place that calls it, not once for each path through it. */
#define HG_APART static __attribute__((noinline))
#else
#define HG_APART static inline
#endif

/* A slot of the root has at most as many candidates as it has addresses, and a table as many as fit its memory. */
#define HG_STEPS_MAX 24u
/* Those of one page, halved each time. */
#define HG_PAGE_STEPS4 10u
#define HG_PAGE_STEPS6 8u

HG_INLINE hg_u32 hg_from_network(hg_u32 word) { return __builtin_bswap32(word); }

/* The value of the range that covers an address, of `count` ranges from `low` on, over any number of pages. */
HG_APART hg_u32 hg_search4(hg_pages pages, hg_u32 first_page, hg_u32 low, hg_u32 count, hg_u32 address) {
  union hg_page* page;
  for (hg_u32 step = 0; step < HG_STEPS_MAX && count > 1; step++) {
    const hg_u32 half = count / 2, middle = low + half;
    page = hg_page_at(pages, first_page + middle / HG_RANGES4_PER_PAGE);
    if (!page) return HG_NONE;
    if (page->range4[middle % HG_RANGES4_PER_PAGE].start <= address) low = middle;
    count -= half;
  }
  page = hg_page_at(pages, first_page + low / HG_RANGES4_PER_PAGE);
  return page ? page->range4[low % HG_RANGES4_PER_PAGE].value : HG_NONE;
}

/* Where the candidates of an address lie. Read where this stands and not where it is first used: what lies between has time
 * until the processor has fetched it. */
HG_INLINE struct hg_flat_root hg_root4(hg_pages pages, const struct hg_flat_index* index, hg_u32 address) {
  struct hg_flat_root root = {HG_NONE, 0};
  if (index->ranges == 0) return root;
  const hg_u32 shared = index->shared & 31, root_bits = index->root_bits & 31;
  if (shared != 0 && address >> (32 - shared) != (hg_u32)index->common) return root;
  const hg_u32 slot = root_bits == 0 ? 0 : (address << shared) >> (32 - root_bits);
  const union hg_page* page = hg_page_at(pages, index->root_page + slot / HG_ROOTS_PER_PAGE);
  if (!page) return root;
  root.first = *(const volatile hg_u32*)&page->root[slot % HG_ROOTS_PER_PAGE].first;
  root.count = *(const volatile hg_u32*)&page->root[slot % HG_ROOTS_PER_PAGE].count;
  return root;
}

/* Every call costs, most of all on processors whose returns are kept from being predicted: hence two pages at most for
 * nearly every address, and no function of its own. */
HG_INLINE hg_u32 hg_find4(hg_pages pages, const struct hg_flat_index* index, struct hg_flat_root root, hg_u32 address) {
  const hg_u32 low = root.first;
  hg_u32 count = root.count;
  if (count == 0) return low;
  const hg_u32 first_page = index->range_page;
  if (low / HG_RANGES4_PER_PAGE != (low + count - 1) / HG_RANGES4_PER_PAGE)
    return hg_search4(pages, first_page, low, count, address);
  const union hg_page* page = hg_page_at(pages, first_page + low / HG_RANGES4_PER_PAGE);
  if (!page) return HG_NONE;
  hg_u32 at = low % HG_RANGES4_PER_PAGE;
  for (hg_u32 step = 0; step < HG_PAGE_STEPS4 && count > 1; step++) {
    const hg_u32 half = count / 2;
    const hg_u32 start = page->range4[(at + half) % HG_RANGES4_PER_PAGE].start;
    /* All ones where the range begins behind the address: a branch would be guessed wrong every other time. */
    hg_u64 is_behind = (hg_u64)address - start;
    HG_OPAQUE(is_behind);
    at += half & ~(hg_u32)(is_behind >> 32);
    count -= half;
  }
  HG_OPAQUE(at);
  return page->range4[at % HG_RANGES4_PER_PAGE].value;
}

/* Whether a range begins at the address or before. */
HG_INLINE int hg_reaches6(const struct hg_range6* range, hg_u64 high, hg_u64 below) {
  return range->start[0] < high || (range->start[0] == high && range->start[1] <= below);
}

/* As hg_search4(). */
HG_APART hg_u32 hg_search6(hg_pages pages, const struct hg_flat_root* where, hg_u32 first_page, hg_u64 high, hg_u64 below) {
  union hg_page* page;
  hg_u32 low = where->first, count = where->count;
  for (hg_u32 step = 0; step < HG_STEPS_MAX && count > 1; step++) {
    const hg_u32 half = count / 2, middle = low + half;
    page = hg_page_at(pages, first_page + middle / HG_RANGES6_PER_PAGE);
    if (!page) return HG_NONE;
    if (hg_reaches6(&page->range6[middle % HG_RANGES6_PER_PAGE], high, below)) low = middle;
    count -= half;
  }
  page = hg_page_at(pages, first_page + low / HG_RANGES6_PER_PAGE);
  return page ? page->range6[low % HG_RANGES6_PER_PAGE].value : HG_NONE;
}

HG_APART hg_u32 hg_lookup6(hg_pages pages, const struct hg_flat_index* index, const struct hg_address* address) {
  if (index->ranges == 0) return HG_NONE;
  const hg_u64 high = (hg_u64)hg_from_network(address->word[0]) << 32 | hg_from_network(address->word[1]);
  const hg_u64 below = (hg_u64)hg_from_network(address->word[2]) << 32 | hg_from_network(address->word[3]);
  const hg_u32 shared = index->shared & 63, root_bits = index->root_bits & 31;
  if (shared != 0 && high >> (64 - shared) != index->common) return HG_NONE;
  const hg_u64 behind = shared == 0 ? high : high << shared | below >> (64 - shared);
  const hg_u32 slot = root_bits == 0 ? 0 : (hg_u32)(behind >> (64 - root_bits));
  union hg_page* page = hg_page_at(pages, index->root_page + slot / HG_ROOTS_PER_PAGE);
  if (!page) return HG_NONE;
  const struct hg_flat_root where = page->root[slot % HG_ROOTS_PER_PAGE];
  hg_u32 count = where.count;
  if (count == 0) return where.first;
  const hg_u32 first_page = index->range_page;
  if (where.first / HG_RANGES6_PER_PAGE != (where.first + count - 1) / HG_RANGES6_PER_PAGE)
    return hg_search6(pages, &where, first_page, high, below);
  page = hg_page_at(pages, first_page + where.first / HG_RANGES6_PER_PAGE);
  if (!page) return HG_NONE;
  hg_u32 at = where.first % HG_RANGES6_PER_PAGE;
  for (hg_u32 step = 0; step < HG_PAGE_STEPS6 && count > 1; step++) {
    const hg_u32 half = count / 2;
    hg_u32 middle = at + half;
    HG_OPAQUE(middle);
    middle %= HG_RANGES6_PER_PAGE;
    if (hg_reaches6(&page->range6[middle], high, below)) at = middle;
    count -= half;
  }
  HG_OPAQUE(at);
  return page->range6[at % HG_RANGES6_PER_PAGE].value;
}

HG_INLINE void hg_read_addresses(struct hg_work* work) {
  const hg_u32 at = work->head.network_offset;
  if (work->head.network == 4) {
    work->source.word[0] = hg_long(work, at + 12);
    work->destination.word[0] = hg_long(work, at + 16);
  } else {
    for (hg_u32 i = 0; i < 4; i++) {
      work->source.word[i] = hg_long(work, at + 8 + 4 * i);
      work->destination.word[i] = hg_long(work, at + 24 + 4 * i);
    }
  }
}

/* As attribute() of core/attribute.h: wire, MAC, VLAN, DSCP; the first that applies. */
HG_INLINE hg_u8 hg_attribute(hg_front front, const struct hg_flat_head* flat, const struct hg_work* work) {
  if (flat->wire_link != HG_LINK_UNKNOWN) return flat->wire_link;
  if (flat->macs != 0 && work->captured >= 14) {
    const hg_u32 at = work->direction == HG_INBOUND ? 6 : 0;
    const hg_u64 mac = (hg_u64)hg_word(work, at) << 32 | hg_from_network(hg_long(work, at + 2));
    for (hg_u32 i = 0; i < HG_LINKS_MAX && i < flat->macs; i++) {
      if (flat->mac[i] == mac) return flat->mac_link[i];
    }
  }
  if (flat->by_vlan && work->head.vlan != HG_NO_VLAN) {
    const hg_u32 vlan = work->head.vlan & 0x0fffu;
    const union hg_page* page = hg_front_page(front, HG_PAGE_VLANS);
    const hg_u8 link = page ? page->bytes[vlan] : HG_LINK_UNKNOWN;
    if (link != HG_LINK_UNKNOWN) return link;
  }
  if (flat->by_dscp && work->head.network != 0 && work->direction == HG_INBOUND)
    return flat->dscp_link[work->head.tos >> 2 & 63];
  return HG_LINK_UNKNOWN;
}

/* Everything about a packet that the tables decide but exceptions: `work` has been read. What is inbound has our address
 * as its destination, what is outbound as its source. `common`, a constant: what hg_read_common() said, 0 where not by it. */
HG_INLINE void hg_consult(hg_pages tables, hg_front front, const struct hg_flat_head* flat, struct hg_work* work,
                          const int common) {
  const struct hg_head* head = &work->head;
  work->block = HG_NONE;
  work->to = HG_NONE;
  work->way = HG_WAY_NONE;
  work->hash = 0;
  work->dscp = HG_DSCP_NONE;
  work->vlan = HG_VLAN_NONE;
  work->is_cleared = 0;
  work->is_markable = 0;
  const int has_addresses = common != 0 || head->has_addresses;
  if (common == 0 && has_addresses) hg_read_addresses(work);
  const int is_v4 = has_addresses && (common == 0 ? head->network == 4 : common == 4);
  const int is_outbound = work->direction == HG_OUTBOUND;
  const hg_u32 theirs = hg_from_network(work->destination.word[0]);
  /* First, since it is the least likely to be at hand: there are many destinations. */
  struct hg_flat_root to = {HG_NONE, 0};
  if (is_v4 && is_outbound) to = hg_root4(tables, &flat->destination[0], theirs);
  work->link = hg_attribute(front, flat, work);
  if (!has_addresses) return;
  const struct hg_address* ours = is_outbound ? &work->source : &work->destination;
  if (is_v4) {
    const hg_u32 address = hg_from_network(ours->word[0]);
    work->block = hg_find4(tables, &flat->block[0], hg_root4(tables, &flat->block[0], address), address);
  } else {
    work->block = hg_lookup6(tables, &flat->block[1], ours);
  }
  if (!is_outbound) return;
  hg_u32 found;
  if (is_v4)
    found = hg_find4(tables, &flat->destination[0], to, theirs);
  else
    found = hg_lookup6(tables, &flat->destination[1], &work->destination);
  if (found != HG_NONE) {
    work->to = found & HG_DESTINATIONS_MAX;
    work->way = (hg_u8)(found >> HG_DESTINATION_BITS & HG_WAY_NONE);
  }
  work->is_markable = flat->may_mark;
}

/* The mark of a markable packet. `chosen`: by which link it leaves. Where a packet is going to leave by is where it is
 * counted, whatever its next hop says. */
HG_INLINE void hg_settle(const struct hg_mark_table* marks, hg_u8 chosen, struct hg_work* work) {
  const hg_u8 dscp = work->head.tos >> 2;
  hg_u8 wanted = HG_DSCP_NONE;
  if (chosen < HG_LINKS_MAX) {
    hg_u32 at = chosen;
    HG_OPAQUE(at);
    at &= HG_LINKS_MAX - 1;
    work->link = chosen;
    wanted = marks->marks[at].dscp;
    work->vlan = marks->marks[at].vlan;
  }
  if (wanted == HG_DSCP_NONE && (marks->reserved_dscp >> (dscp & 63) & 1)) {
    wanted = 0;
    work->is_cleared = dscp != 0;
  }
  if (wanted != dscp) work->dscp = wanted;
  if (work->vlan == work->head.vlan) work->vlan = HG_VLAN_NONE;
}

/* By three measures, as Pipeline::count(). A tag in the metadata is on the wire too. */
HG_INLINE struct hg_traffic hg_measure(const struct hg_work* work) {
  const struct hg_head* head = &work->head;
  const hg_u32 l2_length = work->length + (work->has_vlan ? 4 : 0);
  struct hg_traffic sum = {1, head->ip_bytes, l2_length};
  if (work->segment_bytes != 0 && head->payload_bytes > work->segment_bytes) {
    sum.packets = (head->payload_bytes + work->segment_bytes - 1) / work->segment_bytes;
    sum.ip_bytes += (sum.packets - 1) * (head->ip_bytes - head->payload_bytes);
    sum.l2_bytes += (sum.packets - 1) * (l2_length - head->payload_bytes);
  }
  return sum;
}

/* As soon as the destination is known: this line too is seldom at hand, and choosing a link does not wait for it. */
HG_INLINE void hg_account_destination(hg_pages counts, const struct hg_flat_head* flat, hg_u32 cpu,
                                      const struct hg_work* work) {
  if (work->to >= flat->destinations) return;
  const hg_u32 first = cpu * flat->cpu_pages + flat->cell_pages;
  union hg_page* page = hg_page_at(counts, first + work->to / HG_DESTINATIONS_PER_PAGE);
  if (!page) return;
  const struct hg_traffic sum = hg_measure(work);
  struct hg_destination_count* destination = &page->destination[work->to % HG_DESTINATIONS_PER_PAGE];
  destination->packets += sum.packets;
  destination->l2_bytes += sum.l2_bytes;
}

/* Once the link is known. */
HG_INLINE void hg_account(hg_pages counts, const struct hg_flat_head* flat, hg_u32 cpu, const struct hg_work* work) {
  if (work->head.network == 0) return;
  const hg_u32 row = work->block < flat->blocks ? work->block : flat->blocks;
  const hg_u32 column = (hg_u32)work->link + 1 < flat->columns ? work->link : flat->columns - 1;
  const hg_u32 cell = row * flat->columns + column;
  union hg_page* page = hg_page_at(counts, cpu * flat->cpu_pages + cell / HG_CELLS_PER_PAGE);
  if (!page) return;
  const struct hg_traffic sum = hg_measure(work);
  struct hg_traffic* traffic = &page->cell[cell % HG_CELLS_PER_PAGE].way[work->direction & 1];
  traffic->packets += sum.packets;
  traffic->ip_bytes += sum.ip_bytes;
  traffic->l2_bytes += sum.l2_bytes;
}

/* Alike for both directions of a session, so that sessions are copied whole or not at all. */
HG_INLINE hg_u8 hg_session_share(const struct hg_work* work) {
  const struct hg_head* head = &work->head;
  hg_u32 h = 0x9e3779b9u;
  for (hg_u32 i = 0; i < 4; i++) {
    if (i != 0 && head->network == 4) break;
    h = hg_mix32(h, work->source.word[i] ^ work->destination.word[i]);
  }
  if (head->has_ports)
    h = hg_mix32(h, (hg_u32)hg_word(work, head->transport_offset) ^ hg_word(work, head->transport_offset + 2));
  return (hg_u8)(h >> 8);
}

#endif
