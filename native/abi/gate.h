/* What the packet loop and the kernel's program at both ports tell each other: one page, mapped by both. */
#ifndef HEADGATE_ABI_GATE_H
#define HEADGATE_ABI_GATE_H
#include "records.h"

/* The directions of a wire, as array indexes. */
#define HG_INBOUND 0u  /* enters by the outside port */
#define HG_OUTBOUND 1u /* enters by the inside port */

struct hg_gate {
  /* CLOCK_MONOTONIC nanoseconds of the packet loop's last beat; 0: the kernel forwards until further notice. */
  hg_u64 heartbeat_ns;
  /* A beat older than this is stale. */
  hg_u64 stale_ns;
  /* Interface index to which packets of each direction leave. */
  hg_u32 exit[2];
  /* What installing changed at the port where each direction enters, so that releasing can undo it: HG_GATE_... */
  hg_u32 changed[2];
};

#define HG_GATE_ADDED_QDISC 1u
#define HG_GATE_SET_PROMISCUOUS 2u


/* What the kernel forwarded in one direction, per CPU. */
struct hg_bypassed {
  hg_u64 frames;
  hg_u64 packets; /* a super-packet counts as the segments it becomes */
  hg_u64 bytes;   /* of the frames, as the interfaces count them */
};

#ifdef __cplusplus
static_assert(sizeof(hg_gate) == 32);
static_assert(sizeof(hg_bypassed) == 24);
#endif
#endif
