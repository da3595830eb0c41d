/* What stands at both ports of a wire, at their ingress but for gate_exit, whether a unit runs or not. It belongs to
 * nobody's lifetime: attached by `headgate wire install`, gone by `headgate wire release`.
 *
 * gate_*: for an af_packet wire, behind the taps. While the unit's heartbeat is fresh it has the tap's copy and
 *   forwards that: ours is dropped here, so that neither this machine's own stack nor the far end sees it twice. When
 *   the heartbeat is stale the kernel forwards, and the unit throws its copies away. gate_exit, where they leave, holds
 *   back what the unit still sends after that.
 * tc_*, xdp_*: the kernel forwards always. While a unit is there the heads that it measures are copied to it; a full
 *   ring costs the copy, never the packet.
 *
 * Whoever forwards counts and marks, by the tables that the unit published last, whether it still runs or not.
 */
#define HG_BPF
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../abi/gate.h"
#include "carry.h"
#include "common_head.h"
#include "spread.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct hg_gate);
} gate SEC(".maps");

/* What the kernel forwarded, by HG_BYPASSED(direction, worker). */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2 * HG_WORKERS_MAX);
  __type(key, __u32);
  __type(value, struct hg_bypassed);
} bypassed SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct hg_tallies);
} tallies SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, HG_EXCEPTIONS_MAX);
  __type(key, struct hg_exception_key);
  __type(value, __u32);
} exceptions SEC(".maps");

/* Too much for the stack. A program at ingress is not interrupted by another one of its processor. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct hg_work);
} scratch SEC(".maps");

static __always_inline __u8 hg_exception_find(const struct hg_exception_key* key) {
  const __u32* link = bpf_map_lookup_elem(&exceptions, key);
  return link ? (__u8)*link : HG_LINK_UNKNOWN;
}

static __always_inline void hg_exception_put(const struct hg_exception_key* key, __u32 link) {
  bpf_map_update_elem(&exceptions, key, &link, BPF_ANY);
}

/* Reading the clock costs more than anything else here: once at most. */
static __always_inline __u64 hg_now_ns(const struct hg_work* work) {
  return work->time_ns != 0 ? work->time_ns : bpf_ktime_get_ns();
}

#include "choose.h"

static __always_inline struct hg_gate* state_of_wire(void) {
  const __u32 only = 0;
  return bpf_map_lookup_elem(&gate, &only);
}

static __always_inline int is_fresh(const struct hg_gate* state, __u32 worker) {
  /* The beat first, then the clock, compared signed: a beat written between the two reads is in the future. */
  const __u64 beat = *(volatile const __u64*)&state->beat[worker & (HG_WORKERS_MAX - 1)].ns;
  return beat != 0 && (__s64)(bpf_ktime_get_ns() - beat) < (__s64)state->stale_ns;
}

/* `place`: HG_BYPASSED(direction, worker). */
static __always_inline void count(__u32 place, __u32 packets, __u32 bytes) {
  struct hg_bypassed* sum = bpf_map_lookup_elem(&bypassed, &place);
  if (!sum) return;
  sum->frames += 1;
  sum->packets += packets;
  sum->bytes += bytes;
}

static __always_inline struct hg_tallies* tally(void) {
  const __u32 only = 0;
  return bpf_map_lookup_elem(&tallies, &only);
}

#include "copy.h"

/* Counts the packet and says what is to be marked. */
static __always_inline void decide(struct hg_work* work, const struct hg_gate* state, struct hg_tallies* sum,
                                   const int common) {
  work->dscp = HG_DSCP_NONE;
  work->vlan = HG_VLAN_NONE;
  /* Read once: what it names stays as it is until this packet has gone. */
  const __u32 in_force = *(volatile const __u32*)&state->in_force;
  if (in_force == 0) return;
  const hg_pages tables = HG_TABLES_CHUNK(HG_TABLES_OF(in_force));
  const hg_front front = hg_front_of(tables);
  if (!front) return;
  const union hg_page* first = hg_front_page(front, HG_PAGE_HEAD);
  const union hg_page* chosen = hg_front_page(front, HG_PAGE_MARKS(HG_MARKS_OF(in_force)));
  if (!first || !chosen) return;
  const struct hg_mark_table* marks = &chosen->marks;
  const struct hg_flat_head* flat = &first->head;
  const hg_pages counts = HG_COUNTS_CHUNK(HG_COUNTS_OF(in_force));
  const __u32 cpu = bpf_get_smp_processor_id();
  hg_consult(tables, front, flat, work, common);
  hg_account_destination(counts, flat, cpu, work);
  if (work->is_markable && marks->enabled) hg_settle(marks, hg_choose_link(front, marks, sum, work), work);
  hg_account(counts, flat, cpu, work);
}

/* A packet of any kind whose head has been fetched: read, decided, copied. */
HG_STAGE carry_any(struct hg_work* work) {
  struct hg_gate* state = state_of_wire();
  struct hg_tallies* sum = tally();
  if (!work || !state || !sum) return 0;
  work->common = 0;
  hg_read_head(work);
  decide(work, state, sum, 0);
  if (work->is_silent || !has_reader(state) || !is_due(work, state)) return 0;
  const __u32 bytes = needed(work);
  if (bytes <= HG_COPY_SHORT_BYTES)
    hand_over(work, state, sum, HG_COPY_SHORT_BYTES);
  else if (bytes <= HG_COPY_MIDDLE_BYTES)
    hand_over(work, state, sum, HG_COPY_MIDDLE_BYTES);
  else
    hand_over(work, state, sum, HG_COPY_BYTES);
  return 0;
}

/* Of a packet that hg_read_common() knows. */
static __always_inline void copy_common(struct hg_work* work, struct hg_gate* state, struct hg_tallies* sum, int network) {
  if (!has_reader(state) || !is_due(work, state)) return;
  if (work->captured <= HG_COPY_SHORT_BYTES || (network == 4 && needed(work) <= HG_COPY_SHORT_BYTES))
    hand_over(work, state, sum, HG_COPY_SHORT_BYTES);
  else
    hand_over(work, state, sum, HG_COPY_MIDDLE_BYTES);
}

/* Whether this is what most packets are; `head` and both addresses are read then. */
static __always_inline int is_common(struct hg_work* work) {
  work->common = (__u8)(work->captured != 0 ? hg_read_common(work) : 0);
  return work->common != 0;
}

/* The same of those, copied first: the ring's lock and the clock would wait for what the tables' pages are still being
 * fetched for. */
static __always_inline void carry_common(struct hg_work* work, struct hg_gate* state, struct hg_tallies* sum) {
  const int network = work->common;
  if (!work->is_silent) copy_common(work, state, sum, network);
  if (network == 4)
    decide(work, state, sum, 4);
  else
    decide(work, state, sum, 6);
}

/* The head of a frame that lies in one piece, some words at a time: how many bytes, or 0 where it is too short. Each
 * length is that of a kind of packet without payload: with or without a tag, TCP over IPv4 and IPv6 with timestamps or
 * without. */
static __always_inline __u32 fetch_common(struct hg_work* work, const void* data, const void* end) {
  __u8* const to = work->bytes;
  if (data + HG_COMMON_BYTES_LEAST > end) return 0;
  HG_CARRY(__u16, to, data, 0);
  HG_CARRY_WORDS(to, data, 2, 58);
  HG_CARRY(__u16, to, data, 58);
  if (data + 66 > end) return HG_COMMON_BYTES_LEAST;
  HG_CARRY(__u64, to, data, 58);
  if (data + 70 > end) return 66;
  HG_CARRY(__u32, to, data, 66);
  if (data + 74 > end) return 70;
  HG_CARRY(__u64, to, data, 66);
  if (data + 78 > end) return 74;
  HG_CARRY(__u32, to, data, 74);
  if (data + 86 > end) return 78;
  HG_CARRY(__u64, to, data, 74);
  HG_CARRY(__u32, to, data, 82);
  if (data + 90 > end) return 86;
  HG_CARRY(__u64, to, data, 82);
  if (data + HG_COMMON_BYTES > end) return 90;
  HG_CARRY(__u32, to, data, 90);
  HG_CARRY(__u16, to, data, 94);
  return HG_COMMON_BYTES;
}

/* Of what leaves our network; what comes in is left alone. */
static __always_inline int is_to_mark(const struct hg_work* work) {
  return work->dscp != HG_DSCP_NONE || work->vlan != HG_VLAN_NONE;
}

static __always_inline void tally_mark(const struct hg_work* work, struct hg_tallies* sum, int is_done) {
  if (!is_done) {
    sum->unmarked += 1;
    return;
  }
  sum->marked += 1;
  sum->cleared += work->is_cleared;
}

/* The bytes of a header that a DSCP changes; the ECN bits stay. */
struct hg_octets {
  __u8 tos;
  __u16 checksum;    /* IPv4 */
  __u16 first_word;  /* IPv6: version, traffic class, flow label */
};

static __always_inline struct hg_octets with_dscp(const struct hg_work* work) {
  const struct hg_head* head = &work->head;
  const __u8 tos = hg_tos_with_dscp(head->tos, work->dscp);
  const __u16 before = hg_word(work, head->network_offset);
  struct hg_octets to = {tos, 0, 0};
  if (head->network == 4)
    to.checksum = bpf_htons(
        hg_checksum_adjust(hg_word(work, head->network_offset + 10), before, (__u16)((before & 0xff00) | tos)));
  else
    to.first_word = bpf_htons((__u16)((before & 0xf00f) | tos << 4));
  return to;
}

/* Where the packet lies, of what hg_read_common() knows. 0, or -1 when there is less of it than there was. */
static __always_inline int write_dscp(void* data, const void* end, const struct hg_work* work, const struct hg_octets* to) {
  __u32 tag = work->head.network_offset - 14; /* 0 or 4 */
  HG_OPAQUE(tag);
  data += tag & 7;
  if (data + HG_COMMON_BYTES_LEAST - 4 > end) return -1;
  if (work->common == 6) {
    *(__u16*)(data + 14) = to->first_word;
  } else {
    *(__u8*)(data + 15) = to->tos;
    *(__u16*)(data + 24) = to->checksum;
  }
  return 0;
}

/* `is_silent`: of this nobody gets a copy. */
static __always_inline struct hg_work* begin_work(__u32 direction, int is_silent) {
  const __u32 only = 0;
  struct hg_work* work = bpf_map_lookup_elem(&scratch, &only);
  if (!work) return 0;
  work->time_ns = 0;
  work->is_silent = (__u8)is_silent;
  work->direction = (__u8)direction;
  return work;
}

/* ---- tc ---- */

static __always_inline void carry_skb(struct __sk_buff* skb, struct hg_work* work, struct hg_gate* state,
                                      struct hg_tallies* sum) {
  work->length = skb->len;
  work->segment_bytes = skb->gso_segs > 1 ? skb->gso_size : 0;
  work->has_vlan = skb->vlan_present != 0;
  work->vlan_tci = (__u16)skb->vlan_tci;
  work->vlan_tpid = bpf_ntohs((__u16)skb->vlan_proto);
  work->captured = fetch_common(work, (const void*)(long)skb->data, (const void*)(long)skb->data_end);
  if (is_common(work)) {
    carry_common(work, state, sum);
    return;
  }
  __u32 captured = skb->len;
  /* The verifier wants the bounds where it can see them. */
  if (captured > HG_HEAD_BYTES) captured = HG_HEAD_BYTES;
  if (captured == 0 || bpf_skb_load_bytes(skb, 0, work->bytes, captured) != 0) captured = 0;
  work->captured = captured;
  carry_any(work);
}

/* `writes`, a constant: whether to write where the packet lies. A program that does has every packet that somebody else
 * holds too made its own before it begins. */
static __always_inline int set_dscp_skb(struct __sk_buff* skb, struct hg_work* work, const int writes) {
  const struct hg_octets to = with_dscp(work);
  const __u32 at = work->head.network_offset;
  if (work->head.network == 6)
    return (int)bpf_skb_store_bytes(skb, at, &to.first_word, sizeof to.first_word, BPF_F_RECOMPUTE_CSUM);
  /* Of IPv4 both changes together leave every sum over the header as it was. */
  if (writes && work->common)
    return write_dscp((void*)(long)skb->data, (void*)(long)skb->data_end, work, &to);
  return (int)(bpf_skb_store_bytes(skb, at + 1, &to.tos, sizeof to.tos, 0) |
               bpf_skb_store_bytes(skb, at + 10, &to.checksum, sizeof to.checksum, 0));
}

static __always_inline int mark_skb(struct __sk_buff* skb, struct hg_work* work, const int writes) {
  int error = 0;
  if (work->dscp != HG_DSCP_NONE) error |= set_dscp_skb(skb, work, writes);
  if (work->vlan == HG_VLAN_NONE) return error == 0;
  if (work->has_vlan) {
    error |= bpf_skb_vlan_pop(skb);
    error |= bpf_skb_vlan_push(skb, bpf_htons(work->vlan_tpid), (work->vlan_tci & 0xf000) | work->vlan);
  } else if (work->head.first_tag_offset != HG_NO_OFFSET) {
    const __u32 tci_at = work->head.first_tag_offset + 2;
    const __u16 tci = bpf_htons((hg_word(work, tci_at) & 0xf000) | work->vlan);
    error |= bpf_skb_store_bytes(skb, tci_at, &tci, sizeof tci, BPF_F_RECOMPUTE_CSUM);
  } else {
    error |= bpf_skb_vlan_push(skb, bpf_htons(0x8100), work->vlan);
  }
  return error == 0;
}

static __always_inline int forward_skb(struct __sk_buff* skb, struct hg_gate* state, const __u32 direction,
                                       __u32 worker, const int is_gate) {
  count(HG_BYPASSED(direction, worker), skb->gso_segs ? skb->gso_segs : 1, skb->len);
  struct hg_work* work = begin_work(direction, is_gate);
  struct hg_tallies* sum = tally();
  if (work && sum) {
    carry_skb(skb, work, state, sum);
    if (direction == HG_OUTBOUND && is_to_mark(work)) tally_mark(work, sum, mark_skb(skb, work, !is_gate));
  }
  return bpf_redirect(state->exit[direction], 0);
}

/* The packet loop that has the tap's copy. Each is stood in for by itself: sessions of the others go on as they were. */
static __always_inline __u32 worker_of(struct __sk_buff* skb, const struct hg_gate* state) {
  const __u32 workers = *(volatile const __u32*)&state->workers;
  if (workers <= 1) return 0;
  return hg_spread(skb, bpf_ntohs((__u16)skb->protocol), 14) % workers & (HG_WORKERS_MAX - 1);
}

static __always_inline int pass_gate(struct __sk_buff* skb, const __u32 direction) {
  struct hg_gate* state = state_of_wire();
  if (!state) return TC_ACT_OK;
  const __u32 worker = worker_of(skb, state);
  if (is_fresh(state, worker)) return TC_ACT_SHOT;
  *(volatile __u64*)&state->beat[worker & (HG_WORKERS_MAX - 1)].bypassed_ns[direction] = bpf_ktime_get_ns();
  return forward_skb(skb, state, direction, worker, 1);
}

SEC("tc")
int gate_inside(struct __sk_buff* skb) { return pass_gate(skb, HG_OUTBOUND); }

SEC("tc")
int gate_outside(struct __sk_buff* skb) { return pass_gate(skb, HG_INBOUND); }

/* A packet loop that is kept from its processor in the middle of a batch sends the rest of it when the gate has long
 * forwarded what came later: that would arrive out of order, and counts as what the loop discards instead. */
SEC("tc")
int gate_exit(struct __sk_buff* skb) {
  const __u32 mark = skb->mark;
  if ((mark & ~HG_SENT_LOOP) != HG_SENT_MARK || skb->ingress_ifindex != 0) return TC_ACT_OK;
  const struct hg_gate* state = state_of_wire();
  if (!state) return TC_ACT_OK;
  const struct hg_beat* beat = &state->beat[mark & (HG_WORKERS_MAX - 1)];
  const __u32 direction = skb->ifindex == state->exit[HG_OUTBOUND] ? HG_OUTBOUND : HG_INBOUND;
  if (*(volatile const __u64*)&beat->bypassed_ns[direction] > *(volatile const __u64*)&beat->ns) return TC_ACT_SHOT;
  skb->mark = 0;
  return TC_ACT_OK;
}

static __always_inline int pass_tc(struct __sk_buff* skb, const __u32 direction) {
  struct hg_gate* state = state_of_wire();
  if (!state) return TC_ACT_OK;
  return forward_skb(skb, state, direction, 0, 0);
}

SEC("tc")
int tc_inside(struct __sk_buff* skb) { return pass_tc(skb, HG_OUTBOUND); }

SEC("tc")
int tc_outside(struct __sk_buff* skb) { return pass_tc(skb, HG_INBOUND); }

/* ---- xdp ---- */

/* Reads what is_common(), whose network header ends within the frame's first piece. Asking the kernel for the length costs a
 * call: not where the frame ends there too, or where Ethernet, and a tag, have filled it up to what it carries at least. */
static __always_inline int read_common_xdp(struct xdp_md* xdp, struct hg_work* work) {
  const __u32 length = (__u32)(xdp->data_end - xdp->data);
  work->length = length;
  work->captured = fetch_common(work, (const void*)(long)xdp->data, (const void*)(long)xdp->data_end);
  if (!is_common(work)) return 0;
  if (length > HG_COMMON_BYTES_LEAST + 4 && length != work->head.network_offset + work->head.ip_bytes)
    work->length = (__u32)bpf_xdp_get_buff_len(xdp);
  return 1;
}

static __always_inline void carry_xdp(struct xdp_md* xdp, struct hg_work* work, struct hg_gate* state,
                                      struct hg_tallies* sum) {
  work->segment_bytes = 0;
  work->has_vlan = 0;
  if (read_common_xdp(xdp, work)) {
    carry_common(work, state, sum);
    return;
  }
  work->length = (__u32)bpf_xdp_get_buff_len(xdp);
  __u32 captured = work->length;
  if (captured > HG_HEAD_BYTES) captured = HG_HEAD_BYTES;
  if (captured == 0 || bpf_xdp_load_bytes(xdp, 0, work->bytes, captured) != 0) captured = 0;
  work->captured = captured;
  carry_any(work);
}

static __always_inline int tag_xdp(struct xdp_md* xdp, const struct hg_work* work, __u32 mtu) {
  if (work->head.first_tag_offset != HG_NO_OFFSET) {
    const __u32 tci_at = work->head.first_tag_offset + 2;
    __u16 tci = bpf_htons((hg_word(work, tci_at) & 0xf000) | work->vlan);
    return bpf_xdp_store_bytes(xdp, tci_at, &tci, sizeof tci);
  }
  /* A port takes one tag more than MTU and header, and drops what is longer without a word: that goes unmarked. */
  if (work->length > mtu + 14) return -1;
  __u8 front[16];
  __builtin_memcpy(front, work->bytes, 12);
  front[12] = 0x81;
  front[13] = 0x00;
  front[14] = (__u8)(work->vlan >> 8);
  front[15] = (__u8)work->vlan;
  if (bpf_xdp_adjust_head(xdp, -4) != 0) return -1;
  return bpf_xdp_store_bytes(xdp, 0, front, sizeof front);
}

static __always_inline int set_dscp_xdp(struct xdp_md* xdp, const struct hg_work* work) {
  struct hg_octets to = with_dscp(work);
  const __u32 at = work->head.network_offset;
  if (work->common) return write_dscp((void*)(long)xdp->data, (void*)(long)xdp->data_end, work, &to);
  if (work->head.network == 6) return (int)bpf_xdp_store_bytes(xdp, at, &to.first_word, sizeof to.first_word);
  return (int)(bpf_xdp_store_bytes(xdp, at + 1, &to.tos, sizeof to.tos) |
               bpf_xdp_store_bytes(xdp, at + 10, &to.checksum, sizeof to.checksum));
}

static __always_inline int mark_xdp(struct xdp_md* xdp, const struct hg_work* work, __u32 mtu) {
  int error = 0;
  if (work->dscp != HG_DSCP_NONE) error |= set_dscp_xdp(xdp, work);
  /* Last, since it moves the head. */
  if (work->vlan != HG_VLAN_NONE) error |= tag_xdp(xdp, work, mtu);
  return error == 0;
}

static __always_inline int pass_xdp(struct xdp_md* xdp, const __u32 direction) {
  struct hg_gate* state = state_of_wire();
  if (!state) return XDP_PASS;
  struct hg_work* work = begin_work(direction, 0);
  struct hg_tallies* sum = tally();
  if (work && sum) {
    carry_xdp(xdp, work, state, sum);
    count(direction, 1, work->length);
    if (direction == HG_OUTBOUND && is_to_mark(work)) tally_mark(work, sum, mark_xdp(xdp, work, state->mtu[direction]));
  }
  return (int)bpf_redirect(state->exit[direction], 0);
}

SEC("xdp.frags")
int xdp_inside(struct xdp_md* frame) { return pass_xdp(frame, HG_OUTBOUND); }

SEC("xdp.frags")
int xdp_outside(struct xdp_md* frame) { return pass_xdp(frame, HG_INBOUND); }

char terms[] SEC("license") = "Apache-2.0";
