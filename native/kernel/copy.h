/* Copies of heads for the unit that measures, through a ring: whole sessions, fewer of them while the reader is behind.
 * Included by wire.bpf.c, whose work, tallies and gate it uses. */
#ifndef HEADGATE_KERNEL_COPY_H
#define HEADGATE_KERNEL_COPY_H

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, HG_COPIES_BYTES);
} copies SEC(".maps");

/* Heads are carried by words that begin 2 behind a multiple of 8, because fields that are read again then lie in one of them
 * each, addresses and ports too: what was written by two words the processor gives back only when both have left it. */
#define HG_CARRY(type, to, from, at) *(type*)((to) + (at)) = *(const type*)((from) + (at))
#define HG_CARRY_WORDS(to, from, first, end) \
  _Pragma("unroll") for (__u32 at = (first); at < (end); at += 8) HG_CARRY(__u64, to, from, at)

/* What the unit measures: TCP, questions to name servers, QUIC if it says so, and what only its parser can explain. */
static __always_inline int is_due(const struct hg_work* work, const struct hg_gate* state) {
  const struct hg_head* head = &work->head;
  if (head->is_unclear || (head->protocol == 6 && head->has_ports)) return 1;
  if (head->protocol != 17 || !head->has_ports) return 0;
  const __u32 to = hg_word(work, head->transport_offset + 2);
  if (to == 53) return 1;
  return state->copies_quic && (to == 443 || hg_word(work, head->transport_offset) == 443);
}

static __always_inline void fill(struct hg_copy* copy, const struct hg_work* work, __u32 room) {
  copy->time_ns = work->time_ns;
  copy->wire_length = work->length;
  copy->segment_bytes = work->segment_bytes;
  copy->has_vlan = work->has_vlan;
  copy->vlan_tci = work->vlan_tci;
  copy->vlan_tpid = work->vlan_tpid;
  copy->direction = work->direction;
  copy->captured = (__u16)(work->captured < room ? work->captured : room);
}

/* Whether a unit reads copies. One that died without saying so leaves a full ring, which costs next to nothing. */
static __always_inline int has_reader(const struct hg_gate* state) {
  return *(volatile const __u64*)&state->beat[0].ns != 0;
}

/* Whether the session is one of those that are copied; counts it if not. */
static __always_inline int is_sampled(const struct hg_work* work, const struct hg_gate* state, struct hg_tallies* sum) {
  sum->copies_due += 1;
  const __u32 share = *(volatile const __u32*)&state->copy_share;
  if (share >= HG_COPY_ALL || !work->head.has_addresses || hg_session_share(work) < share) return 1;
  sum->copies_left_out += 1;
  return 0;
}

/* No room for a copy: of fewer sessions from now on, whole. A reader that is kept from its processor would be too late. */
static __always_inline void shed(struct hg_gate* state, __u64 now_ns) {
  if (now_ns - state->shed_ns < HG_SHED_NS) return;
  state->shed_ns = now_ns;
  if (state->copy_share > 1) state->copy_share /= 2;
}

/* `room`, a constant: 8 by 8 bytes and 6. */
static __always_inline void carry_bytes(__u8* to, const __u8* from, const __u32 room) {
  HG_CARRY(__u16, to, from, 0);
  HG_CARRY_WORDS(to, from, 2, room - 6);
  HG_CARRY(__u32, to, from, room - 6);
  HG_CARRY(__u16, to, from, room - 2);
}

/* The unit looks by itself every millisecond: waking it for each would cost more than the copy. The clock, which costs more
 * still, is read only for what is copied. `room`, a constant. */
static __always_inline void hand_over(struct hg_work* work, struct hg_gate* state, struct hg_tallies* sum,
                                      const __u32 room) {
  if (!is_sampled(work, state, sum)) return;
  work->time_ns = bpf_ktime_get_ns();
  struct hg_copy* copy = bpf_ringbuf_reserve(&copies, sizeof *copy - HG_COPY_BYTES + room, 0);
  if (!copy) {
    sum->copies_lost += 1;
    shed(state, work->time_ns);
    return;
  }
  fill(copy, work, room);
  carry_bytes(copy->bytes, work->bytes, room);
  bpf_ringbuf_submit(copy, BPF_RB_NO_WAKEUP);
}

/* How much of the frame measuring needs. */
static __always_inline __u32 needed(const struct hg_work* work) {
  const struct hg_head* head = &work->head;
  if (head->is_unclear || head->protocol != 6) return HG_COPY_BYTES;
  return head->transport_offset + (hg_byte(work, head->transport_offset + 12) >> 4) * 4u;
}

#endif
