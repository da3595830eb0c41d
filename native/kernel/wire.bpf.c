/* What stands at the ingress of both ports of a wire, whether a unit runs or not. It belongs to nobody's lifetime:
 * attached by `headgate wire install`, gone by `headgate wire release`.
 *
 * gate_*: for an af_packet wire, behind the taps. While the unit's heartbeat is fresh it has the tap's copy and
 *   forwards that: ours is dropped here, so that neither this machine's own stack nor the far end sees it twice. When
 *   the heartbeat is stale the kernel forwards, and the unit throws its copies away.
 * tc_*, xdp_*: the kernel forwards always. While a unit is there the head of every packet is copied to it; a full
 *   ring costs the copy, never the packet.
 */
#define HG_BPF
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../abi/gate.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct hg_gate);
} gate SEC(".maps");

/* What the kernel forwarded, by direction. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct hg_bypassed);
} bypassed SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 16 << 20);
} copies SEC(".maps");

/* Copies for which the ring had no room, by direction. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} copies_lost SEC(".maps");

static __always_inline const struct hg_gate* state_of_wire(void) {
  const __u32 only = 0;
  return bpf_map_lookup_elem(&gate, &only);
}

static __always_inline int is_fresh(const struct hg_gate* state) {
  /* The beat first, then the clock, compared signed: a beat written between the two reads is in the future. */
  const __u64 beat = *(volatile const __u64*)&state->heartbeat_ns;
  return beat != 0 && (__s64)(bpf_ktime_get_ns() - beat) < (__s64)state->stale_ns;
}

/* Whether a unit reads copies. One that died without saying so leaves a full ring, which costs next to nothing. */
static __always_inline int has_reader(const struct hg_gate* state) {
  return *(volatile const __u64*)&state->heartbeat_ns != 0;
}

static __always_inline void count(__u32 direction, __u32 packets, __u32 bytes) {
  struct hg_bypassed* sum = bpf_map_lookup_elem(&bypassed, &direction);
  if (!sum) return;
  sum->frames += 1;
  sum->packets += packets;
  sum->bytes += bytes;
}

/* Room for one copy, all but its bytes filled in; null when the ring is full. */
static __always_inline struct hg_copy* begin_copy(__u32 direction, __u32 length) {
  struct hg_copy* copy = bpf_ringbuf_reserve(&copies, sizeof *copy, 0);
  if (!copy) {
    __u64* lost = bpf_map_lookup_elem(&copies_lost, &direction);
    if (lost) *lost += 1;
    return 0;
  }
  copy->time_ns = bpf_ktime_get_ns();
  copy->wire_length = length;
  copy->segment_bytes = 0;
  copy->has_vlan = 0;
  copy->vlan_tci = 0;
  copy->vlan_tpid = 0;
  copy->direction = (__u8)direction;
  copy->captured = length < HG_COPY_BYTES ? (__u16)length : HG_COPY_BYTES;
  return copy;
}

/* ---- af_packet ---- */

static __always_inline int pass_gate(struct __sk_buff* skb, const __u32 direction) {
  const struct hg_gate* state = state_of_wire();
  if (!state) return TC_ACT_OK;
  if (is_fresh(state)) return TC_ACT_SHOT;
  count(direction, skb->gso_segs ? skb->gso_segs : 1, skb->len);
  return bpf_redirect(state->exit[direction], 0);
}

SEC("tc")
int gate_inside(struct __sk_buff* skb) { return pass_gate(skb, HG_OUTBOUND); }

SEC("tc")
int gate_outside(struct __sk_buff* skb) { return pass_gate(skb, HG_INBOUND); }

/* ---- tc ---- */

static __always_inline void copy_head(struct __sk_buff* skb, const __u32 direction) {
  struct hg_copy* copy = begin_copy(direction, skb->len);
  if (!copy) return;
  copy->segment_bytes = skb->gso_segs > 1 ? skb->gso_size : 0;
  if (skb->vlan_present) {
    copy->has_vlan = 1;
    copy->vlan_tci = (__u16)skb->vlan_tci;
    copy->vlan_tpid = bpf_ntohs((__u16)skb->vlan_proto);
  }
  __u32 length = copy->captured;
  /* The verifier wants the bounds where it can see them. */
  if (length > HG_COPY_BYTES) length = HG_COPY_BYTES;
  if (length == 0 || bpf_skb_load_bytes(skb, 0, copy->bytes, length) != 0) copy->captured = 0;
  /* The unit looks by itself every millisecond: waking it for each would cost more than the copy. */
  bpf_ringbuf_submit(copy, BPF_RB_NO_WAKEUP);
}

static __always_inline int pass_tc(struct __sk_buff* skb, const __u32 direction) {
  const struct hg_gate* state = state_of_wire();
  if (!state) return TC_ACT_OK;
  if (has_reader(state)) copy_head(skb, direction);
  count(direction, skb->gso_segs ? skb->gso_segs : 1, skb->len);
  return bpf_redirect(state->exit[direction], 0);
}

SEC("tc")
int tc_inside(struct __sk_buff* skb) { return pass_tc(skb, HG_OUTBOUND); }

SEC("tc")
int tc_outside(struct __sk_buff* skb) { return pass_tc(skb, HG_INBOUND); }

/* ---- xdp ---- */

static __always_inline int pass_xdp(struct xdp_md* frame, const __u32 direction) {
  const struct hg_gate* state = state_of_wire();
  if (!state) return XDP_PASS;
  const __u32 length = (__u32)bpf_xdp_get_buff_len(frame);
  if (has_reader(state)) {
    struct hg_copy* copy = begin_copy(direction, length);
    if (copy) {
      __u32 captured = copy->captured;
      if (captured > HG_COPY_BYTES) captured = HG_COPY_BYTES;
      if (captured == 0 || bpf_xdp_load_bytes(frame, 0, copy->bytes, captured) != 0) copy->captured = 0;
      bpf_ringbuf_submit(copy, BPF_RB_NO_WAKEUP);
    }
  }
  count(direction, 1, length);
  return (int)bpf_redirect(state->exit[direction], 0);
}

SEC("xdp.frags")
int xdp_inside(struct xdp_md* frame) { return pass_xdp(frame, HG_OUTBOUND); }

SEC("xdp.frags")
int xdp_outside(struct xdp_md* frame) { return pass_xdp(frame, HG_INBOUND); }

char terms[] SEC("license") = "Apache-2.0";
