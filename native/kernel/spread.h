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

/* Of the packet whose EtherType stands in bytes 12 and 13 of `work`, followed by work->captured bytes less 14: in front
 * of the addresses may be tags, PPPoE or labels. 0 where there are none. */
HG_INLINE hg_u32 hg_spread_any(struct hg_work* work) {
  work->head.is_unclear = 0;
  const int type = hg_read_link(work);
  const hg_u32 at = HG_FRESH(work->at);
  hg_u32 address[8];
  if (type == HG_IPV4 && at + 20 <= work->captured) {
    address[0] = hg_long(work, at + 12);
    address[1] = hg_long(work, at + 16);
    return hg_pair_hash(address, address + 1, 1);
  }
  if (type != HG_IPV6 || at + 40 > work->captured) return 0;
  for (hg_u32 i = 0; i < 8; i++) address[i] = hg_long(work, at + 8 + 4 * i);
  return hg_pair_hash(address, address + 4, 4);
}

#ifdef HG_BPF
/* `network_at`: where the bytes behind the Ethernet header begin, as bpf_skb_load_bytes() counts. A tag in the metadata
 * is not among them. */
static __always_inline hg_u32 hg_spread(struct __sk_buff* skb, const hg_u32 network_at, struct hg_work* work) {
  hg_u32 address[8];
  const hg_u16 type = (hg_u16)skb->protocol;
  if (type == __builtin_bswap16(HG_IPV4)) {
    if (bpf_skb_load_bytes(skb, network_at + 12, address, 8) != 0) return 0;
    return hg_pair_hash(address, address + 1, 1);
  }
  if (type == __builtin_bswap16(HG_IPV6)) {
    if (bpf_skb_load_bytes(skb, network_at + 8, address, 32) != 0) return 0;
    return hg_pair_hash(address, address + 4, 4);
  }
  if (!work || skb->len <= network_at) return 0;
  hg_u32 bytes = skb->len - network_at;
  if (bytes > HG_HEAD_BYTES - 14) bytes = HG_HEAD_BYTES - 14;
  /* The verifier wants the bound where it can see it. */
  HG_OPAQUE(bytes);
  if (bytes == 0 || bytes > HG_HEAD_BYTES - 14) return 0;
  if (bpf_skb_load_bytes(skb, network_at, work->bytes + 14, bytes) != 0) return 0;
  __builtin_memcpy(work->bytes + 12, &type, sizeof type);
  work->captured = 14 + bytes;
  return hg_spread_any(work);
}
#endif

#endif
