/* By which link a packet leaves: what Pipeline::choose() of core/pipeline.cc does. One text for eBPF and for the tests.
 * Who includes it first defines hg_exception_find() and hg_exception_put(), which reach the sessions written down, and
 * hg_now_ns(). */
#ifndef HEADGATE_KERNEL_CHOOSE_H
#define HEADGATE_KERNEL_CHOOSE_H
#include "carry.h"

/* The hash by which the mark table chooses; ports only of whole packets, so that fragments stay together. */
HG_INLINE void hg_hash(const struct hg_mark_table* marks, struct hg_work* work) {
  const struct hg_head* head = &work->head;
  work->ports = head->has_ports && head->is_fragment == 0 ? hg_long(work, head->transport_offset) : 0;
  work->hash = hg_tuple_hash(marks->key, work->source.word, work->destination.word, head->network == 4 ? 1 : 4,
                             work->ports, head->protocol);
}

/* Whether this is the sign of a session that is just beginning. */
HG_INLINE int hg_begins(const struct hg_work* work) {
  const struct hg_head* head = &work->head;
  const hg_u32 at = head->transport_offset;
  if (!head->has_ports || head->is_fragment != 0) return 0;
  if (head->protocol == 6) return at + 14 <= work->captured && hg_tcp_begins(hg_byte(work, at + 13));
  if (head->protocol != 17 || at + 13 > work->captured) return 0;
  if (hg_word(work, at) != 443 && hg_word(work, at + 2) != 443) return 0;
  return hg_quic_begins(hg_byte(work, at + 8), hg_from_network(hg_long(work, at + 9)));
}

/* `front` is where `marks` lies too. */
HG_INLINE struct hg_bucket hg_bucket_at(hg_front front, const struct hg_mark_table* marks, hg_u32 way, hg_u32 hash) {
  const hg_u32 at = way * HG_BUCKETS + (hash & (HG_BUCKETS - 1));
  const union hg_page* page = hg_front_page(front, marks->bucket_page + at / HG_BUCKETS_PER_PAGE);
  const struct hg_bucket none = {HG_LINK_PLAIN, HG_LINK_UNKNOWN};
  return page ? page->bucket[at % HG_BUCKETS_PER_PAGE] : none;
}

/* Of a way with buckets. */
HG_INLINE hg_u8 hg_choose_between(hg_front front, const struct hg_mark_table* marks, hg_u32 way, int begins,
                                  struct hg_tallies* sum, struct hg_work* work) {
  hg_hash(marks, work);
  const struct hg_bucket bucket = hg_bucket_at(front, marks, way, work->hash);
  if (bucket.before == HG_LINK_UNKNOWN) return bucket.now;
  const struct hg_exception_key key = {work->hash, work->ports};
  const hg_u8 kept = hg_exception_find(&key);
  const hg_u64 since = marks->since_ns[way & (HG_WAYS_MAX - 1)];
  const long long age_ns = since == 0 ? HG_KEEP_TCP_NS : (long long)(hg_now_ns(work) - since);
  const struct hg_choice choice = hg_choose(marks, bucket, work->head.protocol, begins, age_ns, kept);
  if (choice.is_exception) hg_exception_put(&key, choice.link);
  sum->kept += choice.is_kept;
  sum->remarked += choice.is_remarked;
  return choice.link;
}

/* HG_LINK_PLAIN and HG_LINK_UNKNOWN leave it to the router. */
HG_INLINE hg_u8 hg_choose_link(hg_front front, const struct hg_mark_table* marks, struct hg_tallies* sum,
                               struct hg_work* work) {
  const hg_u8 way = work->way != HG_WAY_NONE ? work->way : marks->otherwise;
  if (way == HG_WAY_NONE) return HG_LINK_UNKNOWN;
  const int begins = hg_begins(work);
  const hg_u8 own = way < HG_LINKS_MAX ? way : hg_choose_between(front, marks, way - HG_LINKS_MAX, begins, sum, work);
  const hg_u8 link = hg_is_down(marks, own) ? HG_LINK_PLAIN : own;
  if (begins && link < HG_LINKS_MAX) {
    hg_u32 at = link;
    HG_OPAQUE(at);
    sum->sessions[at & (HG_LINKS_MAX - 1)] += 1;
  }
  return link;
}

#endif
