/* The fail-open gate of an af_packet wire, at the ingress of both ports, behind the taps. While the unit's heartbeat
 * is fresh it has the tap's copy and forwards that: ours is dropped here, so that neither this machine's own stack nor
 * the far end sees it twice. When the heartbeat is stale the kernel forwards, and the unit throws its copies away.
 *
 * It belongs to nobody's lifetime: attached by `headgate wire install`, gone by `headgate wire release`.
 */
#define HG_BPF
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "../abi/gate.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct hg_gate);
} gate SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct hg_bypassed);
} bypassed SEC(".maps");

static __always_inline int pass(struct __sk_buff* skb, __u32 direction) {
  const __u32 only = 0;
  const struct hg_gate* state = bpf_map_lookup_elem(&gate, &only);
  if (!state) return TC_ACT_OK;
  /* The beat first, then the clock, compared signed: a beat written between the two reads is in the future. */
  const __u64 beat = *(volatile const __u64*)&state->heartbeat_ns;
  const __s64 age = (__s64)(bpf_ktime_get_ns() - beat);
  if (beat != 0 && age < (__s64)state->stale_ns) return TC_ACT_SHOT;

  /* A copy, so that the verifier goes on knowing the direction itself. */
  const __u32 key = direction;
  struct hg_bypassed* count = bpf_map_lookup_elem(&bypassed, &key);
  if (count) {
    count->frames += 1;
    count->packets += skb->gso_segs ? skb->gso_segs : 1;
    count->bytes += skb->len;
  }
  return bpf_redirect(state->exit[direction], 0);
}

SEC("tc")
int gate_inside(struct __sk_buff* skb) { return pass(skb, HG_OUTBOUND); }

SEC("tc")
int gate_outside(struct __sk_buff* skb) { return pass(skb, HG_INBOUND); }

char terms[] SEC("license") = "Apache-2.0";
