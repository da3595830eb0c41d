/* What most packets are, read without a call or a loop: Ethernet, IPv4 without options or fragments, a whole TCP header
 * or UDP. Everything else goes the general way of head.h, which would leave the same: a test runs both. */
#ifndef HEADGATE_KERNEL_COMMON_HEAD_H
#define HEADGATE_KERNEL_COMMON_HEAD_H
#include "head.h"

/* As many bytes of a frame as a short copy holds, or of a TCP acknowledgement with timestamps, or of the shortest
 * frame that Ethernet carries. */
#define HG_COMMON_BYTES HG_COPY_SHORT_BYTES
#define HG_COMMON_BYTES_TIMED 66u
#define HG_COMMON_BYTES_LEAST 60u

/* Fields at fixed offsets, as they stand in the packet. */
#ifdef HG_BPF
#define HG_AT16(work, at) (*(const hg_u16*)((work)->bytes + (at)))
#define HG_AT32(work, at) (*(const hg_u32*)((work)->bytes + (at)))
#else
static inline hg_u16 hg_at16(const hg_u8* at) {
  hg_u16 value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
static inline hg_u32 hg_at32(const hg_u8* at) {
  hg_u32 value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
#define HG_AT16(work, at) hg_at16((work)->bytes + (at))
#define HG_AT32(work, at) hg_at32((work)->bytes + (at))
#endif

#define HG_HOST16(word) ((hg_u16)__builtin_bswap16(word))

/* From bytes, captured (HG_COMMON_BYTES_LEAST at least), length and the metadata's tag to `head` and both addresses.
 * 0 when the packet is not of this kind: nothing may be assumed of `head` then. */
HG_INLINE int hg_read_common(struct hg_work* work) {
  if (HG_AT16(work, 12) != HG_HOST16(HG_IPV4) || work->bytes[14] != 0x45) return 0;
  if ((HG_AT16(work, 20) & HG_HOST16(0x3fff)) != 0) return 0; /* a fragment */
  const hg_u32 total = HG_HOST16(HG_AT16(work, 16));
  const hg_u8 protocol = work->bytes[23];
  hg_u32 header = 8;
  if (protocol == 6) {
    header = (work->bytes[46] >> 4) * 4u;
    if (header < 20 || 34 + header > work->captured) return 0;
  } else if (protocol != 17) {
    return 0;
  }
  if (total < 20 + header || total > work->length - 14) return 0;
  struct hg_head* head = &work->head;
  head->network_offset = 14;
  head->transport_offset = 34;
  head->first_tag_offset = HG_NO_OFFSET;
  head->ip_bytes = total;
  head->payload_bytes = total - 20 - header;
  head->vlan = work->has_vlan ? work->vlan_tci & 0x0fff : HG_NO_VLAN;
  head->network = 4;
  head->protocol = protocol;
  head->tos = work->bytes[15];
  head->is_fragment = 0;
  head->has_addresses = 1;
  head->has_ports = 1;
  head->is_unclear = 0;
  work->source.word[0] = HG_AT32(work, 26);
  work->destination.word[0] = HG_AT32(work, 30);
  return 1;
}

#endif
