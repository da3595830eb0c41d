/* Fixed-size records that C++, eBPF and TypeScript share. Little-endian, naturally aligned, no padding
 * that is not named. A change of a layout raises HG_ABI_VERSION; TypeScript refuses another one. */
#ifndef HEADGATE_ABI_RECORDS_H
#define HEADGATE_ABI_RECORDS_H

#ifdef HG_BPF
#include <linux/types.h>
typedef __u8 hg_u8;
typedef __u16 hg_u16;
typedef __u32 hg_u32;
typedef __u64 hg_u64;
#else
#include <stdint.h>
typedef uint8_t hg_u8;
typedef uint16_t hg_u16;
typedef uint32_t hg_u32;
typedef uint64_t hg_u64;
#endif

#define HG_ABI_VERSION 6

/* A link is an index from 0; HG_LINK_UNKNOWN says that nothing told which link a packet used. */
#define HG_LINK_UNKNOWN 0xffu
#define HG_LINKS_MAX 32u
/* Packet loops that may share a wire. */
#define HG_WORKERS_MAX 8u
/* No block, no destination. */
#define HG_NONE 0xffffffffu

/* Traffic of one (block, link, direction): three counts, never mixed. */
struct hg_traffic {
  hg_u64 packets;  /* on the wire: a super-packet counts as the segments it becomes */
  hg_u64 ip_bytes; /* from the outermost IP header to its end */
  hg_u64 l2_bytes; /* with the link-layer header, without the frame check sequence */
};

/* Segments of one (link, direction), by what they turned out to be. */
struct hg_tcp_counts {
  hg_u64 data_segments;
  hg_u64 data_bytes; /* payload that advanced the session: the denominator of loss rates */
  hg_u64 lost_beyond;
  hg_u64 needless; /* of lost_beyond, what the receiver has said since to have got twice */
  hg_u64 lost_before;
  hg_u64 spurious;
  hg_u64 retransmitted_bytes;
  hg_u64 reordered;
  hg_u64 duplicates;
  hg_u64 keep_alives;
  hg_u64 window_probes;
};

#ifdef __cplusplus
static_assert(sizeof(hg_traffic) == 24);
static_assert(sizeof(hg_tcp_counts) == 88);
#endif
#endif
