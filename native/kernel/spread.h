/* Which of the packet loops that share a wire a packet belongs to. By its addresses alone, whichever comes first: both
 * directions of a session have those, and all its fragments, of which only some have ports. One text for the program that
 * spreads the packets (spread.bpf.c), for the gate, which steps in for each loop by itself (wire.bpf.c), and for tests. */
#ifndef HEADGATE_KERNEL_SPREAD_H
#define HEADGATE_KERNEL_SPREAD_H
#include "../core/mark.h"
#include "head.h"

/* Of two addresses of `words` words as they stand in the packet, 1 or 4. Alike when they change places. */
HG_INLINE hg_u32 hg_pair_hash(const hg_u32* one, const hg_u32* other, const hg_u32 words) {
  hg_u32 h = 0x9e3779b9u;
  for (hg_u32 i = 0; i < words; i++) {
    /* Sum and difference, since hosts are often numbered alike at both ends. */
    h = hg_mix32(h, one[i] ^ other[i]);
    h = hg_mix32(h, one[i] + other[i]);
  }
  return h;
}

/* What is read of a packet, from where its Ethernet header ends; a tag in the metadata is not there. 0 when it was. */
#ifdef HG_BPF
typedef struct __sk_buff hg_frame;
#define hg_fetch(frame, at, to, bytes) bpf_skb_load_bytes(frame, at, to, bytes)
#define HG_UNROLL _Pragma("unroll")
#else
#define HG_UNROLL
struct hg_frame {
  const hg_u8* bytes;
  hg_u32 length;
};
static inline long hg_fetch(const hg_frame* frame, hg_u32 at, void* to, hg_u32 bytes) {
  if (at + bytes > frame->length) return -1;
  __builtin_memcpy(to, frame->bytes + at, bytes);
  return 0;
}
#endif

/* Passes tags, PPPoE and labels, as hg_read_link() does, but without pointers that the verifier
 * allows to root alone. The EtherType of what is behind them, or 0. */
HG_INLINE hg_u16 hg_pass_link(hg_frame* frame, hg_u16 type, hg_u32* at) {
  hg_u8 head[8];
  HG_UNROLL
  for (hg_u32 tags = 0; tags < HG_TAGS_MAX; tags++) {
    if (type != 0x8100 && type != 0x88a8 && type != 0x9100) break;
    if (hg_fetch(frame, *at, head, 4) != 0) return 0;
    type = (hg_u16)(head[2] << 8 | head[3]);
    *at += 4;
  }
  if (type == 0x8864) {
    if (hg_fetch(frame, *at, head, 8) != 0) return 0;
    *at += 8;
    if (head[6] != 0) return 0;
    return head[7] == 0x21 ? HG_IPV4 : head[7] == 0x57 ? HG_IPV6 : 0;
  }
  if (type != 0x8847 && type != 0x8848) return type;
  HG_UNROLL
  for (hg_u32 labels = 0; labels < HG_TAGS_MAX; labels++) {
    if (hg_fetch(frame, *at, head, 4) != 0) return 0;
    *at += 4;
    if ((head[2] & 1) == 0) continue;
    if (hg_fetch(frame, *at, head, 1) != 0) return 0;
    return head[0] >> 4 == 4 ? HG_IPV4 : head[0] >> 4 == 6 ? HG_IPV6 : 0;
  }
  return 0;
}

/* Of a packet with this EtherType, of which `at` is the first byte behind the Ethernet header. 0 where there are no
 * addresses. */
HG_INLINE hg_u32 hg_spread(hg_frame* frame, hg_u16 type, hg_u32 at) {
  hg_u32 address[8];
  if (type != HG_IPV4 && type != HG_IPV6) type = hg_pass_link(frame, type, &at);
  if (type == HG_IPV4) return hg_fetch(frame, at + 12, address, 8) == 0 ? hg_pair_hash(address, address + 1, 1) : 0;
  if (type == HG_IPV6) return hg_fetch(frame, at + 8, address, 32) == 0 ? hg_pair_hash(address, address + 4, 4) : 0;
  return 0;
}

#endif
