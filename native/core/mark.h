/* Which link a session of ours leaves by: a function of (tuple, published table), the same in C++ and in
 * eBPF, so that it survives the process that published it. */
#ifndef HEADGATE_CORE_MARK_H
#define HEADGATE_CORE_MARK_H
#include "../abi/records.h"

#define HG_SPREAD_BUCKETS 256u
#define HG_VLAN_NONE 0xffffu
#define HG_DSCP_NONE 0xffu

/* How the border router is told the link: by a DSCP or by an 802.1q tag; at most one of the two. */
struct hg_mark {
  hg_u16 vlan; /* 1..4094 or HG_VLAN_NONE */
  hg_u8 dscp;  /* 0..63 or HG_DSCP_NONE */
  hg_u8 reserved;
};

struct hg_mark_table {
  hg_u8 enabled;
  hg_u8 reserved[7];
  hg_u64 reserved_dscp; /* bit n: DSCP n means a link, so hosts may not set it */
  hg_u8 spread[HG_SPREAD_BUCKETS]; /* link by hash bucket, or HG_LINK_UNKNOWN: leave the packet alone */
  struct hg_mark marks[HG_LINKS_MAX];
};

static inline hg_u32 hg_mix32(hg_u32 h, hg_u32 word) {
  h = (h ^ word) * 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16);
}

/* Hash of an outbound tuple. `source` and `destination` point at `words` 32-bit words (1 for IPv4, 4 for
 * IPv6) as they stand in the packet; `ports` likewise, and 0 for every fragment, first or later, so that
 * all fragments of a packet leave by one link. */
static inline hg_u32 hg_tuple_hash(const hg_u32* source, const hg_u32* destination, hg_u32 words,
                                   hg_u32 ports, hg_u8 protocol) {
  hg_u32 h = hg_mix32(0x9e3779b9u, protocol);
  h = hg_mix32(h, ports);
  for (hg_u32 i = 0; i < 4; i++) {
    if (i >= words) break;
    h = hg_mix32(h, source[i]);
    h = hg_mix32(h, destination[i]);
  }
  return h;
}

/* `destination_link`: the link that the plan gives the destination, or HG_LINK_UNKNOWN for "any". */
static inline hg_u8 hg_choose_link(const struct hg_mark_table* table, hg_u8 destination_link, hg_u32 hash) {
  if (destination_link != HG_LINK_UNKNOWN) return destination_link;
  return table->spread[hash & (HG_SPREAD_BUCKETS - 1)];
}

#ifdef __cplusplus
static_assert(sizeof(hg_mark) == 4);
static_assert(sizeof(hg_mark_table) == 16 + 256 + 128);
#endif
#endif
