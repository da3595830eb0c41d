/* Reads the head of an Ethernet frame for counting and marking. One text for eBPF and for the tests, which compare it
 * with the pipeline's parser (core/parse.cc): what that takes from a frame of HG_HEAD_BYTES, this takes too, but for
 * the jumbo payload option, where the frame's length holds. TCP is left to the pipeline, which gets a copy. */
#ifndef HEADGATE_KERNEL_HEAD_H
#define HEADGATE_KERNEL_HEAD_H
#include "../abi/gate.h"

#ifdef HG_BPF
#define HG_INLINE static __attribute__((always_inline)) inline
/* A function of its own to the verifier, which then looks at it once and not once for every path that leads to it. For
 * that it is global, returns an int, and keeps what loops over a packet advance in memory, of which nothing is assumed. */
#define HG_STAGE __attribute__((noinline)) int
/* Keeps the compiler from reasoning the mask away, which the verifier wants to see. */
#define HG_OPAQUE(value) asm volatile("" : "+r"(value))
#else
#define HG_INLINE static inline
#define HG_STAGE static inline int
#define HG_OPAQUE(value) ((void)0)
#endif

#define HG_HEAD_BYTES HG_COPY_BYTES
/* Any masked offset plus the longest read stays within. */
#define HG_HEAD_MASK 0xffu
#define HG_HEAD_ROOM (HG_HEAD_MASK + 1u + 16u)

#define HG_TAGS_MAX 8u
#define HG_EXTENSIONS_MAX 8u
#define HG_IPV4 0x0800u
#define HG_IPV6 0x86ddu
#define HG_NO_VLAN 0xffffu
#define HG_NO_OFFSET 0xffffu

struct hg_head {
  hg_u32 network_offset;   /* HG_NO_OFFSET when network is 0 */
  hg_u32 transport_offset; /* where ports would be; HG_NO_OFFSET when that was not reached */
  hg_u32 first_tag_offset; /* of the outermost 802.1q tag's TPID in the frame, or HG_NO_OFFSET */
  hg_u32 ip_bytes;
  hg_u32 payload_bytes; /* of TCP, UDP or whatever else IP carries */
  hg_u16 vlan;          /* VID of the outermost tag, frame or metadata, or HG_NO_VLAN */
  hg_u8 network;        /* 4, 6, or 0 for anything else */
  hg_u8 protocol;
  hg_u8 tos;
  hg_u8 is_fragment;   /* 1 the first, 2 a later one */
  hg_u8 has_addresses; /* the whole fixed IP header is there */
  hg_u8 has_ports;
  hg_u8 is_unclear; /* something in it could not be read: the pipeline says what */
  hg_u8 reserved[3];
};

/* One address as it stands in the packet; IPv4 uses the first word. */
struct hg_address {
  hg_u32 word[4];
};

/* A packet from being read to being sent on; each stage adds to it. */
struct hg_work {
  hg_u8 bytes[HG_HEAD_ROOM] __attribute__((aligned(8))); /* the frame's head as it came */
  hg_u64 time_ns;            /* when it came, CLOCK_MONOTONIC; 0 as long as nobody has asked */
  hg_u32 captured;           /* of it; at most HG_HEAD_BYTES */
  hg_u32 length;             /* on the wire, without a tag in the metadata */
  hg_u32 segment_bytes;      /* super-packet: payload of each segment; else 0 */
  hg_u16 vlan_tci;           /* of the metadata; valid when has_vlan */
  hg_u16 vlan_tpid;
  hg_u8 has_vlan;
  hg_u8 direction;
  hg_u8 is_silent; /* nobody gets a copy */
  hg_u8 reserved;
  hg_u32 at;   /* while it is read: how far that has come */
  hg_u32 left; /* while it is read: bytes of the packet from there on */
  struct hg_head head;
  struct hg_address source;
  struct hg_address destination;
  hg_u32 hash;  /* of the outbound tuple and its ports; 0 when they were not needed */
  hg_u32 ports;
  hg_u32 block;
  hg_u32 to; /* index of the destination, or HG_NONE */
  hg_u8 link;
  hg_u8 way; /* of the destination */
  hg_u8 is_markable;
  /* What the mark changes; HG_DSCP_NONE and HG_VLAN_NONE leave it. */
  hg_u8 dscp;
  hg_u16 vlan;
  hg_u8 is_cleared;
  hg_u8 common; /* what hg_read_common() said: the network's family, or 0 */
};

HG_INLINE hg_u8 hg_byte(const struct hg_work* work, hg_u32 at) {
  HG_OPAQUE(at);
  return work->bytes[at & HG_HEAD_MASK];
}

/* A field as it stands in the packet, at any offset: the kernel's processors read those as well. */
#ifdef HG_BPF
#define HG_READ(type, at) (*(const type*)(at))
#else
#define HG_READ(type, at)                            \
  ({                                                 \
    type value;                                      \
    __builtin_memcpy(&value, (at), sizeof value);    \
    value;                                           \
  })
#endif

/* In host order. */
HG_INLINE hg_u16 hg_word(const struct hg_work* work, hg_u32 at) {
  HG_OPAQUE(at);
  return __builtin_bswap16(HG_READ(hg_u16, work->bytes + (at & HG_HEAD_MASK)));
}

/* As it stands in the packet. */
HG_INLINE hg_u32 hg_long(const struct hg_work* work, hg_u32 at) {
  HG_OPAQUE(at);
  return HG_READ(hg_u32, work->bytes + (at & HG_HEAD_MASK));
}

#define HG_FRESH(field) (*(volatile hg_u32*)&(field))

/* From work->at on, work->left bytes. */
HG_STAGE hg_read_transport(struct hg_work* work) {
  if (!work) return 0;
  struct hg_head* head = &work->head;
  const hg_u32 at = work->at, bytes = work->left;
  head->transport_offset = at;
  head->payload_bytes = bytes;
  if (head->is_fragment == 2 || (head->protocol != 6 && head->protocol != 17)) return 0;
  if (at + 8 > work->captured || bytes < 8) {
    head->is_unclear = 1;
    return 0;
  }
  head->has_ports = 1;
  if (head->protocol == 17) {
    head->payload_bytes = bytes - 8;
    return 0;
  }
  if (head->is_fragment) return 0;
  const hg_u32 header = (hg_byte(work, at + 12) >> 4) * 4u;
  if (at + 20 > work->captured || bytes < 20 || header < 20 || header > bytes) {
    head->is_unclear = 1;
    return 0;
  }
  head->payload_bytes = bytes - header;
  return 0;
}

HG_STAGE hg_read_ipv4(struct hg_work* work) {
  if (!work) return 0;
  struct hg_head* head = &work->head;
  const hg_u32 at = work->at, left = work->length - at;
  head->network = 4;
  head->network_offset = at;
  head->ip_bytes = left;
  head->is_unclear = 1;
  if (at + 20 > work->captured) {
    if (at >= work->captured || hg_byte(work, at) >> 4 != 4) head->network = 0;
    return 0;
  }
  const hg_u8 first = hg_byte(work, at);
  if (first >> 4 != 4) {
    head->network = 0;
    head->network_offset = HG_NO_OFFSET;
    return 0;
  }
  head->has_addresses = 1;
  head->tos = hg_byte(work, at + 1);
  head->protocol = hg_byte(work, at + 9);
  const hg_u32 header = (first & 15) * 4u;
  const hg_u32 stated = hg_word(work, at + 2);
  const hg_u32 total = stated == 0 ? left : stated;
  head->ip_bytes = total;
  if (header < 20 || header > left || total < header || total > left || at + header > work->captured) return 0;
  head->is_unclear = 0;
  const hg_u16 fragment = hg_word(work, at + 6);
  if (fragment & 0x1fff) {
    head->is_fragment = 2;
  } else if (fragment & 0x2000) {
    head->is_fragment = 1;
  }
  work->at = at + header;
  work->left = total - header;
  return hg_read_transport(work);
}

/* Hop-by-hop, routing, fragment, destination options, AH, mobility, HIP, shim6. */
HG_INLINE int hg_is_extension(hg_u8 next) {
  return next == 0 || next == 43 || next == 44 || next == 60 || next == 51 || next == 135 || next == 139 || next == 140;
}

/* One extension header at work->at; 0 when it could not be read. head->protocol is its type, then the next one's. */
HG_STAGE hg_read_extension(struct hg_work* work) {
  if (!work) return 0;
  struct hg_head* head = &work->head;
  const hg_u32 at = work->at;
  if (at + 8 > work->captured) return 0;
  const hg_u8 type = head->protocol;
  const hg_u32 units = hg_byte(work, at + 1);
  const hg_u32 bytes = type == 44 ? 8u : type == 51 ? (units + 2) * 4u : (units + 1) * 8u;
  if (at + bytes > work->captured || bytes > work->left) return 0;
  if (type == 44) {
    const hg_u16 offset = hg_word(work, at + 2);
    if (offset & 0xfff8) {
      head->is_fragment = 2;
    } else if (offset & 1) {
      head->is_fragment = 1;
    }
  }
  head->protocol = hg_byte(work, at);
  work->at = at + bytes;
  work->left -= bytes;
  return 1;
}

HG_STAGE hg_read_ipv6(struct hg_work* work) {
  if (!work) return 0;
  struct hg_head* head = &work->head;
  const hg_u32 at = work->at, left = work->length - at;
  head->network = 6;
  head->network_offset = at;
  head->ip_bytes = left;
  head->is_unclear = 1;
  if (at + 40 > work->captured) {
    if (at >= work->captured || hg_byte(work, at) >> 4 != 6) head->network = 0;
    return 0;
  }
  if (hg_byte(work, at) >> 4 != 6) {
    head->network = 0;
    head->network_offset = HG_NO_OFFSET;
    return 0;
  }
  head->has_addresses = 1;
  head->tos = (hg_u8)(hg_word(work, at) >> 4);
  const hg_u32 stated = hg_word(work, at + 4);
  const hg_u32 total = stated == 0 ? left : stated + 40;
  head->ip_bytes = total;
  if (total > left) return 0;
  head->protocol = hg_byte(work, at + 6);
  work->at = at + 40;
  work->left = total - 40;
  for (hg_u32 seen = 0; hg_is_extension(*(volatile hg_u8*)&head->protocol) && head->is_fragment != 2; seen++) {
    if (seen == HG_EXTENSIONS_MAX || hg_read_extension(work) == 0) return 0;
  }
  head->is_unclear = 0;
  return hg_read_transport(work);
}

/* Tags and labels. The EtherType of what is behind them, HG_IPV4 or HG_IPV6, or 0; work->at is there. */
HG_STAGE hg_read_link(struct hg_work* work) {
  if (!work) return 0;
  struct hg_head* head = &work->head;
  if (work->captured < 14) {
    head->is_unclear = 1;
    return 0;
  }
  work->at = 14;
  hg_u16 type = hg_word(work, 12);
  for (hg_u32 tags = 0; type == 0x8100 || type == 0x88a8 || type == 0x9100; tags++) {
    const hg_u32 at = HG_FRESH(work->at);
    if (tags == HG_TAGS_MAX || at + 4 > work->captured) {
      head->is_unclear = 1;
      return 0;
    }
    if (head->vlan == HG_NO_VLAN) head->vlan = hg_word(work, at) & 0x0fff;
    if (head->first_tag_offset == HG_NO_OFFSET) head->first_tag_offset = at - 2;
    type = hg_word(work, at + 2);
    HG_FRESH(work->at) = at + 4;
  }
  if (type == HG_IPV4 || type == HG_IPV6) return type;
  if (type == 0x8864) {
    const hg_u32 at = HG_FRESH(work->at);
    const hg_u16 protocol = at + 8 <= work->captured ? hg_word(work, at + 6) : 0;
    work->at = at + 8;
    if (protocol == 0x0021) return HG_IPV4;
    if (protocol == 0x0057) return HG_IPV6;
    head->is_unclear = 1;
  }
  if (type != 0x8847 && type != 0x8848) return 0;
  head->is_unclear = 1;
  for (hg_u32 labels = 0; labels < HG_TAGS_MAX; labels++) {
    const hg_u32 at = HG_FRESH(work->at);
    if (at + 4 > work->captured) return 0;
    HG_FRESH(work->at) = at + 4;
    if ((hg_byte(work, at + 2) & 1) == 0) continue;
    const hg_u8 version = at + 4 < work->captured ? hg_byte(work, at + 4) >> 4 : 0;
    return version == 4 ? HG_IPV4 : version == 6 ? HG_IPV6 : 0;
  }
  return 0;
}

/* From bytes, captured, length and the metadata's tag to `head`, of which it sets every field. */
HG_INLINE void hg_read_head(struct hg_work* work) {
  const hg_u16 vlan = work->has_vlan ? work->vlan_tci & 0x0fff : HG_NO_VLAN;
  const struct hg_head nothing = {HG_NO_OFFSET, HG_NO_OFFSET, HG_NO_OFFSET, 0, 0, vlan, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}};
  work->head = nothing;
  const int type = hg_read_link(work);
  if (type == HG_IPV4) hg_read_ipv4(work);
  if (type == HG_IPV6) hg_read_ipv6(work);
}

#endif
