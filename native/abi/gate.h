/* What the unit and the kernel's programs at both ports tell each other: one page, mapped by both, and a ring of
 * header copies. */
#ifndef HEADGATE_ABI_GATE_H
#define HEADGATE_ABI_GATE_H
#include "records.h"

/* The directions of a wire, as array indexes. */
#define HG_INBOUND 0u  /* enters by the outside port */
#define HG_OUTBOUND 1u /* enters by the inside port */

/* Which of the programs stands at the ports. */
#define HG_PROGRAM_GATE 1u /* user space forwards; the kernel only while user space is silent */
#define HG_PROGRAM_TC 2u   /* the kernel forwards and copies headers */
#define HG_PROGRAM_XDP 3u  /* the same, before the kernel makes a buffer of the frame */

struct hg_gate {
  /* CLOCK_MONOTONIC nanoseconds of the unit's last beat; 0: nobody is there. */
  hg_u64 heartbeat_ns;
  /* A beat older than this is stale. */
  hg_u64 stale_ns;
  /* Interface index to which packets of each direction leave. */
  hg_u32 exit[2];
  /* What installing changed at the port where each direction enters, so that releasing can undo it: HG_CHANGED_... */
  hg_u32 changed[2];
  hg_u32 program; /* HG_PROGRAM_... */
  hg_u32 reserved;
};

#define HG_CHANGED_QDISC 1u
#define HG_CHANGED_PROMISCUOUS 2u

/* What the kernel forwarded in one direction, per CPU. */
struct hg_bypassed {
  hg_u64 frames;
  hg_u64 packets; /* a super-packet counts as the segments it becomes */
  hg_u64 bytes;   /* of the frames, as the interfaces count them */
};

/* Enough for tags, IPv6 with an extension header and a TCP header full of options. */
#define HG_COPY_BYTES 128u

/* The head of one packet that the kernel has forwarded. */
struct hg_copy {
  hg_u64 time_ns; /* CLOCK_MONOTONIC */
  hg_u32 wire_length;
  hg_u32 segment_bytes; /* super-packet: payload bytes of each segment; else 0 */
  hg_u16 captured;
  hg_u16 vlan_tci; /* of the metadata; valid when has_vlan */
  hg_u16 vlan_tpid;
  hg_u8 has_vlan;
  hg_u8 direction;
  hg_u8 bytes[HG_COPY_BYTES];
};

#ifdef __cplusplus
static_assert(sizeof(hg_gate) == 40);
static_assert(sizeof(hg_bypassed) == 24);
static_assert(sizeof(hg_copy) == 24 + HG_COPY_BYTES);
#endif
#endif
