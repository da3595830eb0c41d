/* What TypeScript publishes: one buffer with everything that decides about packets. Little-endian.
 *   hg_tables_header, hg_prefix_record[blocks], hg_prefix_record[destinations], hg_link_rule[rules], then marks:
 *   hg_marks_header, hg_link_mark[links], since_ns[ways], hg_bucket[ways][HG_BUCKETS]
 * Marks are published alone too, with the destinations as they are: what a failed link needs at once.
 * src/engine/tables.ts and marks.ts write it, runtime/tables.cc reads it; both check sizes. */
#ifndef HEADGATE_ABI_TABLES_H
#define HEADGATE_ABI_TABLES_H
#include "records.h"

#define HG_TABLES_MAGIC 0x62746768u /* "hgtb" */
#define HG_MARKS_MAGIC 0x6d746768u  /* "hgtm" */
#define HG_WIRES_MAX 16u

enum hg_rule_kind { HG_RULE_WIRE = 0, HG_RULE_MAC = 1, HG_RULE_VLAN = 2, HG_RULE_DSCP = 3 };

struct hg_tables_header {
  hg_u32 magic;
  hg_u32 version; /* HG_ABI_VERSION */
  hg_u32 blocks;
  hg_u32 destinations;
  hg_u32 rules;
  hg_u32 links;
  hg_u64 generation;
  hg_u8 may_mark[HG_WIRES_MAX]; /* 1: a wire of place `inside` */
};

struct hg_prefix_record {
  hg_u8 address[16]; /* network order; IPv4 in the first four */
  hg_u8 network;     /* 4 or 6 */
  hg_u8 length;
  hg_u8 way; /* of destinations (core/mark.h), or HG_WAY_NONE: as what no destination covers */
  hg_u8 reserved;
  hg_u32 index; /* of the block or destination: stable over publications; HG_NONE: not counted */
};

struct hg_link_rule {
  hg_u8 kind;
  hg_u8 link;
  hg_u8 wire;
  hg_u8 dscp;
  hg_u16 vlan;
  hg_u8 mac[6];
};

struct hg_marks_header {
  hg_u32 magic;
  hg_u32 version; /* HG_ABI_VERSION */
  hg_u64 generation; /* alone: of the tables that they are for; others are in force already when it is another */
  hg_u32 links;
  hg_u32 ways; /* with buckets */
  hg_u32 key[2];
  hg_u32 down; /* bit n: link n */
  hg_u8 otherwise;
  hg_u8 reserved[3];
};

struct hg_link_mark {
  hg_u16 vlan; /* 1..4094, or 0xffff for none */
  hg_u8 dscp;  /* 0..63, or 0xff for none */
  hg_u8 reserved;
};

#ifdef __cplusplus
static_assert(sizeof(hg_tables_header) == 48);
static_assert(sizeof(hg_prefix_record) == 24);
static_assert(sizeof(hg_link_rule) == 12);
static_assert(sizeof(hg_marks_header) == 40);
static_assert(sizeof(hg_link_mark) == 4);
#endif
#endif
