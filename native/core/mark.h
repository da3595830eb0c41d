/* Which link a session of ours leaves by: a function of (tuple, published table), the same in C++ and in eBPF, so that
 * it survives the process that published it.
 *
 * A destination has a way: a link alone, or 1024 buckets with a link each, of which the hash of the tuple names one. A
 * bucket that changed its link remembers the one before: sessions that began under it stay there. Who began when is
 * seen from the packets: for a while after the change, what begins goes by the new link, what is met in the middle goes
 * on by the old one, and either is written down as an exception; later only exceptions go by the old one. */
#ifndef HEADGATE_CORE_MARK_H
#define HEADGATE_CORE_MARK_H
#include "../abi/records.h"

/* Shares of links are exact to half a bucket. */
#define HG_BUCKETS 1024u
#define HG_VLAN_NONE 0xffffu
#define HG_DSCP_NONE 0xffu

/* Where a link may stand: the packet leaves as it came, and the router chooses. HG_LINK_UNKNOWN: nothing is said. */
#define HG_LINK_PLAIN 0xfeu
/* Where the link before would stand: too long ago to tell, only exceptions stay. */
#define HG_LINK_WRITTEN 0xfdu

/* A way below HG_LINKS_MAX is that link alone; then come the ways with buckets. */
#define HG_WAYS_MAX 64u
#define HG_WAY_NONE 0x7fu

/* A destination's value in a prefix table is its way above these bits and its index in them: no second lookup. */
#define HG_DESTINATION_BITS 24u
#define HG_DESTINATIONS_MAX ((1u << HG_DESTINATION_BITS) - 1u) /* as an index: counted for none */

/* How long after a change a session may be silent and still be taken for an older one: as long as an established TCP
 * session is remembered; of other protocols what answers at all has spoken sooner. */
#define HG_KEEP_TCP_NS 300000000000ll
#define HG_KEEP_OTHER_NS 30000000000ll

/* How the border router is told the link: by a DSCP or by an 802.1q tag; at most one of the two. */
struct hg_mark {
  hg_u16 vlan; /* 1..4094 or HG_VLAN_NONE */
  hg_u8 dscp;  /* 0..63 or HG_DSCP_NONE */
  hg_u8 reserved;
};

struct hg_bucket {
  hg_u8 now;    /* link, or HG_LINK_PLAIN */
  hg_u8 before; /* the same of sessions older than the change, or HG_LINK_WRITTEN; HG_LINK_UNKNOWN: it never changed */
};

struct hg_mark_table {
  hg_u64 tables;        /* name of the published tables whose ways it holds; unlike any other since the machine began */
  hg_u64 reserved_dscp; /* bit n: DSCP n means a link, so hosts may not set it */
  hg_u32 key[2];        /* of the hash */
  hg_u32 down;          /* bit n: nothing leaves by link n */
  hg_u32 bucket_page;   /* in the kernel's form: where the buckets begin */
  hg_u8 enabled;
  hg_u8 otherwise; /* way of what no destination covers, or HG_WAY_NONE */
  hg_u8 ways;      /* with buckets */
  hg_u8 reserved[5];
  struct hg_mark marks[HG_LINKS_MAX];
  hg_u64 since_ns[HG_WAYS_MAX]; /* CLOCK_MONOTONIC of a way's last change; 0: long ago */
};

static inline hg_u32 hg_mix32(hg_u32 h, hg_u32 word) {
  h = (h ^ word) * 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16);
}

/* Hash of an outbound tuple under the table's key. `source` and `destination` point at `words` 32-bit words (1 for IPv4,
 * 4 for IPv6) as they stand in the packet; `ports` likewise, and 0 for every fragment, first or later, so that all
 * fragments of a packet leave by one link. */
static inline hg_u32 hg_tuple_hash(const hg_u32* key, const hg_u32* source, const hg_u32* destination, hg_u32 words,
                                   hg_u32 ports, hg_u8 protocol) {
  hg_u32 h = hg_mix32(0x9e3779b9u ^ key[0], protocol);
  h = hg_mix32(h, ports);
  for (hg_u32 i = 0; i < 4; i++) {
    if (i >= words) break;
    h = hg_mix32(h, source[i]);
    h = hg_mix32(h, destination[i]);
  }
  return hg_mix32(h, key[1]);
}

/* SYN, with or without ACK: whoever sends it has sent nothing before. */
static inline int hg_tcp_begins(hg_u8 flags) { return (flags & 2) != 0; }

/* An Initial packet of QUIC: `first` is the first octet behind the UDP header, `version` the four behind it as a number
 * (RFC 9000 section 17.2.2, RFC 9369 section 3.2). */
static inline int hg_quic_begins(hg_u8 first, hg_u32 version) {
  if ((first & 0xc0) != 0xc0) return 0;
  return (version == 1 && (first & 0x30) == 0) || (version == 0x6b3343cfu && (first & 0x30) == 0x10);
}

static inline int hg_is_down(const struct hg_mark_table* table, hg_u8 link) {
  return link < HG_LINKS_MAX && (table->down >> (link & 31) & 1);
}

/* What becomes of one packet's session. */
struct hg_choice {
  hg_u8 link;         /* or HG_LINK_PLAIN */
  hg_u8 is_exception; /* to be written down with this link */
  hg_u8 is_kept;      /* and counted as one that stays */
  hg_u8 is_remarked;  /* or as one whose link went down */
};

/* Of a session in a bucket that remembers a link. `age_ns` is the change's; `kept` is the session's exception, or
 * HG_LINK_UNKNOWN. */
static inline struct hg_choice hg_choose(const struct hg_mark_table* table, struct hg_bucket bucket, hg_u8 protocol,
                                         int begins, long long age_ns, hg_u8 kept) {
  const int is_open = bucket.before != HG_LINK_WRITTEN && age_ns < HG_KEEP_TCP_NS;
  struct hg_choice choice = {bucket.now, 0, 0, 0};
  if (begins) {
    /* Ports that another session had before: its exception is not for this one. */
    choice.is_exception = kept == HG_LINK_UNKNOWN ? is_open : kept != bucket.now;
    return choice;
  }
  if (kept == HG_LINK_UNKNOWN && !is_open) return choice;
  if (kept == HG_LINK_UNKNOWN && protocol != 6 && age_ns >= HG_KEEP_OTHER_NS) {
    /* A new one, and written down as such: another bucket's change may make it look old again. */
    choice.is_exception = 1;
    return choice;
  }
  const hg_u8 own = kept == HG_LINK_UNKNOWN ? bucket.before : kept;
  if (hg_is_down(table, own)) {
    choice.is_exception = 1;
    choice.is_remarked = 1;
    return choice;
  }
  choice.link = own;
  choice.is_exception = choice.is_kept = kept == HG_LINK_UNKNOWN;
  return choice;
}

#ifdef __cplusplus
static_assert(sizeof(hg_mark) == 4 && sizeof(hg_bucket) == 2);
static_assert(sizeof(hg_mark_table) == 40 + 128 + 512);
static_assert(HG_LINKS_MAX + HG_WAYS_MAX < HG_WAY_NONE);
#endif
#endif
