/* The published tables and the counts as the kernel's programs see them: arrays of pages, so that one lookup by index
 * reaches everything and a whole publication is one swap of an array in a map of maps. Written by user space
 * (kernel/flat_tables.cc), read by eBPF and by the tests through kernel/carry.h. */
#ifndef HEADGATE_ABI_FLAT_H
#define HEADGATE_ABI_FLAT_H
#include "../core/mark.h"
#include "records.h"
#include "tables.h"

#define HG_PAGE_BYTES 4096u

/* Arrays in the map of maps. Counts change hands only with the tables that index them: a publication names its own. */
#define HG_SLOT_TABLES 0u
#define HG_SLOT_COUNTS 1u /* and the one behind it, by hg_flat_head::counts_slot */
#define HG_SLOT_MARKS 3u  /* published alone: its first page is their table; in force while it names the tables in force */
#define HG_SLOTS 4u

/* Pages of the tables that have a fixed place; roots and ranges follow. */
#define HG_PAGE_HEAD 0u
#define HG_PAGE_VLANS 1u /* the link of each VLAN id, a byte each */
#define HG_PAGE_RANGES 2u

/* Where the candidates of one root slot lie; with a count of 0 there is one only, and `first` is its value. */
struct hg_flat_root {
  hg_u32 first;
  hg_u32 count;
};

/* A range reaches from its start to the next one's; its value is HG_NONE where no prefix covers it. */
struct hg_range4 {
  hg_u32 start;
  hg_u32 value;
};
struct hg_range6 {
  hg_u64 start[2]; /* high, low */
  hg_u32 value;
  hg_u32 reserved[3];
};

/* One family of one prefix table. */
struct hg_flat_index {
  hg_u32 ranges; /* 0: there are no prefixes */
  hg_u32 shared; /* leading bits that all prefixes have alike; below 64 for IPv4 and IPv6 alike */
  hg_u32 root_bits; /* of the address behind the shared ones; 0 to 16 */
  hg_u32 root_page;
  hg_u32 range_page;
  hg_u32 reserved;
  hg_u64 common; /* the shared bits, as a number */
};

struct hg_flat_head {
  hg_u64 generation;
  hg_u32 counts_slot;
  hg_u32 blocks;       /* what belongs to no block is counted at this index */
  hg_u32 destinations;
  hg_u32 columns;      /* links, and the unknown one last */
  hg_u32 cpu_pages;    /* of the counts, for each processor */
  hg_u32 cell_pages;   /* of them, before those of the destinations */
  hg_u8 may_mark;
  hg_u8 wire_link;
  hg_u8 macs;
  hg_u8 by_vlan;
  hg_u8 by_dscp;
  hg_u8 reserved[3];
  struct hg_flat_index block[2]; /* IPv4, IPv6 */
  struct hg_flat_index destination[2];
  hg_u64 mac[HG_LINKS_MAX];
  hg_u8 mac_link[HG_LINKS_MAX];
  hg_u8 dscp_link[64];
  struct hg_mark_table marks;
};

/* Counts of one block and link: by direction. One cache line. */
struct hg_cell {
  struct hg_traffic way[2];
  hg_u64 reserved[2];
};
struct hg_destination_count {
  hg_u64 packets;
  hg_u64 l2_bytes;
};

#define HG_BUCKETS_PER_PAGE (HG_PAGE_BYTES / 2u)
#define HG_ROOTS_PER_PAGE (HG_PAGE_BYTES / 8u)
#define HG_RANGES4_PER_PAGE (HG_PAGE_BYTES / 8u)
#define HG_RANGES6_PER_PAGE (HG_PAGE_BYTES / 32u)
#define HG_CELLS_PER_PAGE (HG_PAGE_BYTES / 64u)
#define HG_DESTINATIONS_PER_PAGE (HG_PAGE_BYTES / 16u)

union hg_page {
  hg_u8 bytes[HG_PAGE_BYTES];
  struct hg_flat_head head;
  struct hg_mark_table marks;
  struct hg_bucket bucket[HG_BUCKETS_PER_PAGE];
  struct hg_flat_root root[HG_ROOTS_PER_PAGE];
  struct hg_range4 range4[HG_RANGES4_PER_PAGE];
  struct hg_range6 range6[HG_RANGES6_PER_PAGE];
  struct hg_cell cell[HG_CELLS_PER_PAGE];
  struct hg_destination_count destination[HG_DESTINATIONS_PER_PAGE];
};

#ifdef __cplusplus
static_assert(sizeof(hg_flat_root) == 8 && sizeof(hg_range4) == 8 && sizeof(hg_range6) == 32);
static_assert(sizeof(hg_cell) == 64 && sizeof(hg_destination_count) == 16);
static_assert(sizeof(hg_flat_head) <= HG_PAGE_BYTES);
static_assert(sizeof(hg_page) == HG_PAGE_BYTES);
#endif
#endif
