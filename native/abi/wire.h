/* What one wire has carried, as TypeScript reads it: cumulative since it was opened (bypass: since the gate was
 * installed). Index 0 is inbound, 1 outbound. */
#ifndef HEADGATE_ABI_WIRE_H
#define HEADGATE_ABI_WIRE_H
#include "gate.h"

#define HG_LOSSES 6u

struct hg_passed {
  hg_u64 frames;  /* as the interfaces count them */
  hg_u64 packets; /* a super-packet counts as the segments it becomes */
  hg_u64 bytes;   /* of the frames, as the interfaces count them */
};

struct hg_wire_counts {
  struct hg_passed unit[2];
  struct hg_bypassed bypass[2];
  hg_u64 lost_inbound[HG_LOSSES];
  hg_u64 lost_outbound[HG_LOSSES];
  hg_u64 discarded; /* the gate had forwarded them already */
  hg_u64 state;     /* 0 forwarding, 1 bypass, 2 down */
};

#ifdef __cplusplus
static_assert(sizeof(hg_passed) == 24);
static_assert(sizeof(hg_wire_counts) == 208);
#endif
#endif
