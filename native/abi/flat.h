/* The published tables and the counts as the kernel's programs see them: pages by their number, in chunks of one size.
 * Written by user space (kernel/flat_tables.cc), read by eBPF and by the tests through kernel/pages.h and kernel/carry.h. */
#ifndef HEADGATE_ABI_FLAT_H
#define HEADGATE_ABI_FLAT_H
#include "../core/mark.h"
#include "records.h"
#include "tables.h"

#define HG_PAGE_BYTES 4096u

/* The map of maps holds chunks: arrays of as many pages each, all of one size, since the kernel makes two loads of a look-up
 * in an array whose size it knows, and two calls of any other. A region is a run of chunks that are read as one array of
 * pages. There are two for tables and two for counts: hg_gate::in_force says which the programs use, in one word, so that
 * tables, marks and counts change hands together; a publication fills the other one first. */
#define HG_CHUNK_PAGES 512u
#define HG_TABLES_CHUNKS 1024u /* at most: 2 GiB, more than HG_DESTINATIONS_MAX destinations take */
#define HG_COUNTS_CHUNKS 8192u /* at most: 16 GiB, for all processors */
#define HG_CHUNKS (2u * HG_TABLES_CHUNKS + 2u * HG_COUNTS_CHUNKS)

/* What is in force; 0: nothing has been published. Each is 0 or 1. */
#define HG_IN_FORCE(tables, marks, counts) (1u | (tables) << 1 | (marks) << 2 | (counts) << 3)
#define HG_TABLES_OF(in_force) ((in_force) >> 1 & 1u)
#define HG_MARKS_OF(in_force) ((in_force) >> 2 & 1u)
#define HG_COUNTS_OF(in_force) ((in_force) >> 3 & 1u)

/* The first chunk of a region. */
#define HG_TABLES_CHUNK(tables) ((tables) * HG_TABLES_CHUNKS)
#define HG_COUNTS_CHUNK(counts) (2u * HG_TABLES_CHUNKS + (counts) * HG_COUNTS_CHUNKS)

/* Pages of the tables that have a fixed place; roots and ranges follow. There is room for marks twice: marks that are
 * published alone are written where those in force are not. */
#define HG_PAGE_HEAD 0u
#define HG_PAGE_VLANS 1u /* the link of each VLAN id, a byte each */
#define HG_PAGE_MARKS(marks) (2u + (marks) * HG_MARKS_PAGES)
#define HG_MARKS_PAGES (1u + HG_WAYS_MAX * HG_BUCKETS / HG_BUCKETS_PER_PAGE)
#define HG_PAGE_RANGES HG_PAGE_MARKS(2u)

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
  hg_u8 reserved[7];
  struct hg_flat_index block[2]; /* IPv4, IPv6 */
  struct hg_flat_index destination[2];
  hg_u64 mac[HG_LINKS_MAX];
  hg_u8 mac_link[HG_LINKS_MAX];
  hg_u8 dscp_link[64];
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
