/* What most packets are, read without a call or a loop: Ethernet with a tag or none, IPv4 without options or fragments or
 * IPv6 without extension headers, a whole TCP header or UDP. Everything else goes the general way of head.h, which would
 * leave the same: a test runs both. */
#ifndef HEADGATE_KERNEL_COMMON_HEAD_H
#define HEADGATE_KERNEL_COMMON_HEAD_H
#include "head.h"

/* The shortest frame that Ethernet carries, as tc sees it. */
#define HG_COMMON_BYTES_LEAST 60u
/* And the most that is read: IPv6 and a tag leave a TCP header of 38 bytes. */
#define HG_COMMON_BYTES HG_COPY_MIDDLE_BYTES

/* Fields at fixed offsets, as they stand in the packet. */
#define HG_AT16(work, at) HG_READ(hg_u16, (work)->bytes + (at))
#define HG_AT32(work, at) HG_READ(hg_u32, (work)->bytes + (at))

#define HG_HOST16(word) ((hg_u16)__builtin_bswap16(word))

/* The tag in front of the network header, where `network_offset` leaves room for one. */
HG_INLINE void hg_read_tag(struct hg_work* work, const hg_u32 network_offset) {
  const int is_tagged = network_offset == 18;
  work->head.first_tag_offset = is_tagged ? 12 : HG_NO_OFFSET;
  work->head.vlan = work->has_vlan ? work->vlan_tci & 0x0fff : is_tagged ? HG_HOST16(HG_AT16(work, 14)) & 0x0fff : HG_NO_VLAN;
}

/* The length of the transport header at `at`, or 0 where it is not TCP or UDP, or not whole. */
HG_INLINE hg_u32 hg_common_header(const struct hg_work* work, hg_u8 protocol, const hg_u32 at) {
  if (protocol == 17) return at + 8 <= work->captured ? 8 : 0;
  if (protocol != 6 || at + 20 > work->captured) return 0;
  const hg_u32 header = (work->bytes[at + 12] >> 4) * 4u;
  return header < 20 || at + header > work->captured ? 0 : header;
}

/* `at`, a constant: where the network header begins. */
HG_INLINE int hg_read_common4(struct hg_work* work, const hg_u32 at) {
  if (work->bytes[at] != 0x45) return 0;
  if ((HG_AT16(work, at + 6) & HG_HOST16(0x3fff)) != 0) return 0; /* a fragment */
  const hg_u32 total = HG_HOST16(HG_AT16(work, at + 2));
  const hg_u8 protocol = work->bytes[at + 9];
  const hg_u32 header = hg_common_header(work, protocol, at + 20);
  if (header == 0 || total < 20 + header || total > work->length - at) return 0;
  struct hg_head* head = &work->head;
  head->network_offset = at;
  head->transport_offset = at + 20;
  head->ip_bytes = total;
  head->payload_bytes = total - 20 - header;
  head->network = 4;
  head->protocol = protocol;
  head->tos = work->bytes[at + 1];
  work->source.word[0] = HG_AT32(work, at + 12);
  work->destination.word[0] = HG_AT32(work, at + 16);
  return 4;
}

HG_INLINE int hg_read_common6(struct hg_work* work, const hg_u32 at) {
  const hg_u16 first = HG_HOST16(HG_AT16(work, at));
  if (first >> 12 != 6) return 0;
  const hg_u32 behind = HG_HOST16(HG_AT16(work, at + 4));
  const hg_u8 protocol = work->bytes[at + 6];
  const hg_u32 header = hg_common_header(work, protocol, at + 40);
  if (header == 0 || behind < header || behind + 40 > work->length - at) return 0;
  struct hg_head* head = &work->head;
  head->network_offset = at;
  head->transport_offset = at + 40;
  head->ip_bytes = behind + 40;
  head->payload_bytes = behind - header;
  head->network = 6;
  head->protocol = protocol;
  head->tos = (hg_u8)(first >> 4);
  for (hg_u32 i = 0; i < 4; i++) {
    work->source.word[i] = HG_AT32(work, at + 8 + 4 * i);
    work->destination.word[i] = HG_AT32(work, at + 24 + 4 * i);
  }
  return 6;
}

/* From bytes, captured (HG_COMMON_BYTES_LEAST at least), length and the metadata's tag to `head` and both addresses.
 * 4 or 6, the network's; 0 when the packet is not of this kind: nothing may be assumed of `head` then. */
HG_INLINE int hg_read_common(struct hg_work* work) {
  struct hg_head* head = &work->head;
  const hg_u16 type = HG_AT16(work, 12);
  int network = 0;
  head->is_fragment = 0;
  head->has_addresses = 1;
  head->has_ports = 1;
  head->is_unclear = 0;
  if (type == HG_HOST16(HG_IPV4)) {
    network = hg_read_common4(work, 14);
    hg_read_tag(work, 14);
  } else if (type == HG_HOST16(HG_IPV6)) {
    network = hg_read_common6(work, 14);
    hg_read_tag(work, 14);
  } else if (type == HG_HOST16(0x8100) || type == HG_HOST16(0x88a8)) {
    const hg_u16 inner = HG_AT16(work, 16);
    if (inner == HG_HOST16(HG_IPV4)) network = hg_read_common4(work, 18);
    if (inner == HG_HOST16(HG_IPV6)) network = hg_read_common6(work, 18);
    hg_read_tag(work, 18);
  }
  return network;
}

#endif
