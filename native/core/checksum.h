/* Internet checksum arithmetic (RFC 1071, incremental update RFC 1624), for C++ and eBPF alike. */
#ifndef HEADGATE_CORE_CHECKSUM_H
#define HEADGATE_CORE_CHECKSUM_H
#include "../abi/records.h"

/* The checksum field after one 16-bit word changed from `before` to `after`; all three as read from the
 * packet in one byte order, whichever it is: the ones' complement sum does not care (RFC 1071 section 2). */
static inline hg_u16 hg_checksum_adjust(hg_u16 checksum, hg_u16 before, hg_u16 after) {
  /* RFC 1624 equation 3; the older form of RFC 1141 can give 0xffff where the sum is zero. */
  hg_u32 sum = (hg_u32)(hg_u16)~checksum + (hg_u16)~before + after;
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return (hg_u16)~sum;
}

/* The TOS or traffic class octet with another DSCP; the two ECN bits stay (RFC 2474, RFC 3168). */
static inline hg_u8 hg_tos_with_dscp(hg_u8 tos, hg_u8 dscp) { return (hg_u8)((dscp << 2) | (tos & 3)); }

#endif
