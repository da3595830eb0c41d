// The stages of a batch: read → choose → follow and count → mark. What most packets are (common_packet.h) is dealt with
// here, where it lies; everything else is left to functions that are called.
#include "pipeline_batch.h"

#include <algorithm>
#include <cstring>

#include "byte_order.h"
#include "rewrite.h"
#include "tuple_lanes.h"

namespace headgate {

// How the link of common packets is told on one wire. Nearly always it has one border router, or none: then a packet's
// six bytes are compared with its address as they stand, and the rules are not asked.
class Pipeline::LinkOf {
 public:
  explicit LinkOf(const WireRules& rules) : rules_(rules) {
    if (rules.link != HG_LINK_UNKNOWN || rules.macs == 0) return;
    mac_ = __builtin_bswap64(rules.mac[0] << 16) << 16;
    link_ = rules.mac_link[0];
  }

  uint8_t operator()(const Packet& packet) const {
    // The border router sent what is inbound and receives what is outbound.
    const uint64_t mac = load<uint64_t>(packet.data + 6 * is_inbound(packet)) << 16;
    if (mac == mac_) return link_;
    const uint16_t vlan = packet.has_vlan ? packet.vlan_tci & 0x0fff : kNoVlan;
    return attribute(rules_, packet, 4, vlan, CommonPacket{packet.data}.tos());
  }

 private:
  const WireRules& rules_;
  uint64_t mac_ = 1;  // of no packet
  uint8_t link_ = HG_LINK_UNKNOWN;
};

// What choosing asks of the tables, copied: bytes that are written might else be any of it to the compiler, which would read
// all of it anew for each packet.
struct Pipeline::Chooser {
  explicit Chooser(const Marks& marks_)
      : marks(marks_),
        buckets(marks_.buckets.data()),
        reserved_dscp(marks_.table.reserved_dscp),
        otherwise(marks_.table.otherwise) {}

  const Marks& marks;
  const hg_bucket* const buckets;
  const uint64_t reserved_dscp;
  const uint8_t otherwise;
};

void Pipeline::process(Packet* packets, size_t n) {
  // Before what was published, which may then be newer but never older.
  const uint64_t publication = publications_.load(std::memory_order_acquire);
  const Tables& tables = *tables_.load(std::memory_order_acquire);
  in_use_.store(tables.generation, std::memory_order_release);
  const Marks* const latest = marks_.load(std::memory_order_acquire);
  const bool has_latest = latest != nullptr && latest->table.tables == tables.marks.table.tables;
  const Marks& marks = has_latest ? *latest : tables.marks;
  if (latest != nullptr) marks_in_use_.store(latest->generation, std::memory_order_release);
  if (publication != settled_) {
    settle(marks);
    settled_ = publication;
  }
  const bool steers = marks.table.enabled != 0 || !tables.destinations.empty();
  for (size_t at = 0; at < n; at += kBatch) {
    const unsigned count = static_cast<unsigned>(n - at < kBatch ? n - at : kBatch);
    if (settings_.direction_by_address) {
      steers ? process_batch<true, true>(packets + at, count, tables, marks)
             : process_batch<true, false>(packets + at, count, tables, marks);
    } else {
      steers ? process_batch<false, true>(packets + at, count, tables, marks)
             : process_batch<false, false>(packets + at, count, tables, marks);
    }
  }
}

// Each stage runs over the whole batch, so that one packet's cache miss is the others' work.
template <bool kByAddress, bool kSteers>
void Pipeline::process_batch(Packet* packets, unsigned n, const Tables& tables, const Marks& marks) {
  Batch batch(packets, n, tables, marks);
  const LinkOf links(batch.rules());
  const Packet* ahead = packets + std::min(2u, n - 1);
  for (unsigned i = 0; i < n; i++) {
    __builtin_prefetch(ahead->data);
    ahead += ahead != packets + n - 1;
    read<kByAddress, kSteers>(batch, i, links);
  }
  if (followed_ < kAllSessions) leave_out(batch);
  if (kSteers) choose_all(batch);
  uint64_t frame_bytes = 0;
  for (unsigned i = 0; i < n; i++) {
    frame_bytes += packets[i].wire_length;
    follow<kByAddress, kSteers>(batch, i);
  }
  const uint64_t common = n - batch.network[0] - batch.network[4] - batch.network[6];
  add(counts_->packets, n);
  add(counts_->frame_bytes, frame_bytes);
  add(counts_->network[0], batch.network[4] + common);
  add(counts_->network[1], batch.network[6]);
  add(counts_->network[2], batch.network[0]);
  add(counts_->tcp_segments, common);
  count_round_trips(batch);
  note_sessions(batch);
  if (settings_.half_share != 0)
    for (unsigned i = 0; i < n; i++)
      if (batch.work[i].is_common || batch.work[i].is_tracked) note_half(batch, i);
  if (settings_.finds_heaviest)
    for (unsigned i = heavy_.first(n); i < n; i = heavy_.after(i, n)) note_heavy(batch, i);
  if (!kSteers) return;
  if (has_tags_) {
    tag_all(batch, batch.common);
    tag_all(batch, batch.others);
  }
  add(counts_->marked, batch.marked);
}

template <bool kByAddress, bool kSteers>
HG_STAGE void Pipeline::read(Batch& batch, unsigned i, const LinkOf& links) {
  Packet& packet = batch.packets[i];
  Work& work = batch.work[i];
  packet.verdict = Verdict::Forward;
  // A super-packet and what may ask a name server take the way where there are questions to ask.
  const bool is_plain = is_common(packet, batch.origin) && CommonPacket{packet.data}.destination_port() != kDnsPort;
  work.is_common = is_plain;
  if (!is_plain) return read_any<kByAddress, kSteers>(batch, i);
  const uint8_t* const addresses = packet.data + CommonPacket::kAddresses;
  work.is_tracked = true;
  work.tag = session_tag4(addresses, packet.data + CommonPacket::kTransport, settings_.hash_key);
  sessions_.prefetch(work.tag.hash);
  find_ends<kByAddress, kSteers>(batch, i, 4, addresses, addresses + 4);
  work.link = links(packet);
  place(work, packet);
  // Bits, since each is a branch that nobody can predict where traffic goes both ways.
  if (kSteers) batch.common.add_if(i, batch.may_mark & (packet.direction == Direction::Outbound));
}

template <bool kByAddress, bool kSteers>
HG_RARE void Pipeline::read_any(Batch& batch, unsigned i) {
  Packet& packet = batch.packets[i];
  Work& work = batch.work[i];
  Parsed& parsed = batch.parsed[i];
  parse(packet, parsed);
  work.is_tracked = parsed.has_tcp;
  if (work.is_tracked) {
    work.tag = session_tag(packet.data, parsed, settings_.hash_key);
    sessions_.prefetch(work.tag.hash);
  }
  const bool has_addresses =
      parsed.network != 0 && parsed.network_offset + (parsed.network == 4 ? 20u : 40u) <= packet.captured;
  const bool has_ports = parsed.has_ports && parsed.fragment == Fragment::Whole;
  batch.places[i] = {has_addresses ? parsed.network : uint8_t{0}, parsed.protocol, parsed.network_offset,
                     has_ports ? parsed.transport_offset : kNowhere, parsed.first_tag_offset};
  work.block = work.other_block = work.destination = HG_NONE;
  work.way = HG_WAY_NONE;
  if (has_addresses) {
    const uint8_t* const ip = packet.data + parsed.network_offset;
    const bool is_4 = parsed.network == 4;
    find_ends<kByAddress, kSteers>(batch, i, parsed.network, ip + (is_4 ? 12 : 8), ip + (is_4 ? 16 : 24));
  }
  const WireRules& rules = batch.rules_of(packet);
  work.link = attribute(rules, packet, parsed.network, parsed.vlan, parsed.tos);
  place(work, packet);
  const bool may_mark = batch.marks.table.enabled != 0 && rules.may_mark;
  if (kSteers) batch.others.add_if(i, may_mark && packet.direction == Direction::Outbound);
}

// Blocks and destination of a packet's addresses.
template <bool kByAddress, bool kSteers>
HG_STAGE void Pipeline::find_ends(Batch& batch, unsigned i, uint8_t network, const uint8_t* source,
                                  const uint8_t* destination) {
  Packet& packet = batch.packets[i];
  Work& work = batch.work[i];
  const Tables& tables = batch.tables;
  work.other_block = work.destination = HG_NONE;
  if (kByAddress) {
    const uint32_t from = tables.blocks.lookup(network, source);
    const uint32_t to = tables.blocks.lookup(network, destination);
    const bool is_ours = from != HG_NONE;
    packet.direction = is_ours ? Direction::Outbound : Direction::Inbound;
    work.block = is_ours ? from : to;
    work.other_block = is_ours ? to : HG_NONE;
  } else {
    const ptrdiff_t step = (destination - source) * is_inbound(packet);
    work.block = tables.blocks.lookup(network, source + step);
  }
  if (!kSteers) return;
  work.way = HG_WAY_NONE;
  if (batch.has_destinations && packet.direction == Direction::Outbound) {
    // Of HG_NONE both parts say none.
    const uint32_t value = tables.destinations.lookup(network, destination);
    work.destination = value & HG_DESTINATIONS_MAX;
    work.way = value >> HG_DESTINATION_BITS & HG_WAY_NONE;
  }
}

// Both directions of a session have one tag, and the table's places are by the hash beside it.
HG_RARE void Pipeline::leave_out(Batch& batch) {
  uint64_t left_out = 0, uncommon = 0;
  for (unsigned i = 0; i < batch.n; i++) {
    Work& work = batch.work[i];
    if (!work.is_tracked || (work.tag.tag & (kAllSessions - 1)) < followed_) continue;
    work.is_tracked = false;
    left_out++;
    uncommon += !work.is_common;
  }
  add(counts_->left_out, left_out);
  // What is common is counted all the same.
  add(counts_->tcp_segments, uncommon);
}

// Where the packet is counted, unless its link is still to be chosen: a block's links lie together, so that the memory
// is asked for all the same.
HG_STAGE void Pipeline::place(Work& work, const Packet& packet) {
  work.column = link_index(work.link, packet.direction);
  work.cell = by_block_.cell(row_of(work.block), work.column);
  by_block_.prefetch(work.cell);
}

template <bool kByAddress, bool kSteers>
HG_STAGE void Pipeline::follow(Batch& batch, unsigned i) {
  const Work& work = batch.work[i];
  if (!work.is_common) {
    if (work.is_tracked) follow_tcp(batch, i, sessions_.find(work.tag));
    return count_any(batch, i);
  }
  const Packet& packet = batch.packets[i];
  if (work.is_tracked) [[likely]] {
    Session* const session = sessions_.find(work.tag);
    if (session == nullptr || !follow_steady(batch, i, *session)) follow_common(batch, i, session);
  }
  const uint32_t ip_bytes = CommonPacket{packet.data}.ip_bytes(), l2_bytes = on_wire(packet);
  if (l2_bytes == ip_bytes + CommonPacket::kNetwork) [[likely]] {
    by_block_.count_plain(work.cell, ip_bytes);
  } else {
    by_block_.count(work.cell, {1, ip_bytes, l2_bytes});
  }
  count_elsewhere<kByAddress, kSteers>(work, {1, ip_bytes, l2_bytes});
}

// False: the segment is none of an established session in order, and nothing was done.
HG_STAGE bool Pipeline::follow_steady(Batch& batch, unsigned i, Session& session) {
  const Packet& packet = batch.packets[i];
  const Work& work = batch.work[i];
  const Moment now = moment_of(packet);
  Steady steady;
  if (!track_steady(session, work.tag.side, CommonPacket{packet.data}, now.us, now.ms, recent_, steady)) return false;
  hg_tcp_counts& counts = tcp_[work.column];
  add(counts.data_segments, steady.is_data);
  add(counts.data_bytes, steady.payload_bytes);
  Found& found = batch.found;
  found.round_trip[found.round_trips] = {steady.rtt_us, i};
  found.round_trips += steady.has_rtt;
  return true;
}

// As hg_tuple_hash wants them.
uint32_t Pipeline::ports_of(const Packet& packet, const Places& at) {
  return at.ports_offset != kNowhere ? load<uint32_t>(packet.data + at.ports_offset) : 0;
}

uint32_t Pipeline::tuple_hash(const Packet& packet, const Places& at, const uint32_t* key) {
  if (at.network == 0) return 0;
  const uint8_t* ip = packet.data + at.network_offset;
  const uint32_t words = at.network == 4 ? 1 : 4;
  uint32_t source[4], destination[4];
  std::memcpy(source, ip + (words == 1 ? 12 : 8), words * 4);
  std::memcpy(destination, ip + (words == 1 ? 16 : 24), words * 4);
  return hg_tuple_hash(key, source, destination, words, ports_of(packet, at), at.protocol);
}

// Whether this packet, the first or not, is the sign of a session that is just beginning.
HG_STAGE bool Pipeline::begins_session(const Packet& packet, const Places& places) {
  if (&places == &kCommonPlaces) return hg_tcp_begins(CommonPacket{packet.data}.tcp_flags());
  if (places.ports_offset == kNowhere) return false;
  const uint8_t* at = packet.data + places.ports_offset;
  const uint32_t readable = packet.captured - places.ports_offset;
  if (places.protocol == kProtocolTcp) return readable >= 14 && hg_tcp_begins(at[13]);
  if (places.protocol != kProtocolUdp || readable < 13) return false;
  const bool is_quic = load_be16(at) == kQuicPort || load_be16(at + 2) == kQuicPort;
  return is_quic && hg_quic_begins(at[8], load_be32(at + 9));
}

// A packet is counted where it is going to leave by, whatever its next hop says.
HG_RARE void Pipeline::settle(const Marks& marks) {
  has_tags_ = false;
  for (unsigned link = 0; link < 256; link++) {
    Outcome& outcome = outcomes_[link];
    const bool is_link = link < HG_LINKS_MAX && !hg_is_down(&marks.table, static_cast<uint8_t>(link));
    const hg_mark mark = is_link ? marks.table.marks[link] : hg_mark{HG_VLAN_NONE, HG_DSCP_NONE, 0};
    outcome.column = link_index(link, Direction::Outbound);
    outcome.is_moved = is_link ? ~0u : 0;
    outcome.vlan = mark.vlan;
    outcome.dscp = mark.dscp;
    has_tags_ |= mark.vlan != HG_VLAN_NONE;
  }
}

// Chooses, and marks by DSCP at once: nobody who comes after asks for it. A tag would move what they look for.
HG_STAGE void Pipeline::choose_all(Batch& batch) {
  const uint32_t key[2] = {batch.marks.table.key[0], batch.marks.table.key[1]};
  const Chooser chooser(batch.marks);
  Listed& common = batch.common;
  // The last group of four is filled up with what is in it already.
  for (unsigned m = common.count; m % 4 != 0; m++) common.at[m] = common.at[m - 1];
  uint32_t hash[kBatch];
  for (unsigned m = 0; m < common.count; m += 4) {
    const uint8_t* packet[4];
    for (unsigned lane = 0; lane < 4; lane++) packet[lane] = batch.packets[common.at[m + lane]].data;
    tuple_hash_lanes(key, packet, hash + m);
  }
  unsigned marked = 0;
  for (unsigned m = 0; m < common.count; m++) {
    const unsigned i = common.at[m];
    marked += choose(batch.packets[i], batch.work[i], kCommonPlaces, chooser, hash[m]);
  }
  for (unsigned m = 0; m < batch.others.count; m++) {
    const unsigned i = batch.others.at[m];
    const uint32_t own_hash = tuple_hash(batch.packets[i], batch.places[i], key);
    marked += choose(batch.packets[i], batch.work[i], batch.places[i], chooser, own_hash);
  }
  batch.marked = marked;
}

// By which link an outbound packet's session leaves; HG_LINK_PLAIN and HG_LINK_UNKNOWN leave that to the router. Whether it
// was marked.
HG_STAGE bool Pipeline::choose(Packet& packet, Work& work, const Places& at, const Chooser& chooser, uint32_t hash) {
  work.chosen = HG_LINK_UNKNOWN;
  if (at.network == 0) return false;
  const uint8_t way = work.way != HG_WAY_NONE ? work.way : chooser.otherwise;
  uint8_t own = way;
  const bool begins = begins_session(packet, at);
  if (way >= HG_LINKS_MAX) {
    if (way == HG_WAY_NONE) return mark(packet, HG_DSCP_NONE, at, chooser.reserved_dscp);
    const hg_bucket bucket = chooser.buckets[(way - HG_LINKS_MAX) * HG_BUCKETS + (hash & (HG_BUCKETS - 1))];
    own = bucket.before == HG_LINK_UNKNOWN
              ? bucket.now
              : choose_kept(packet, at, chooser.marks, bucket, way - HG_LINKS_MAX, begins, hash);
  }
  const Outcome& outcome = outcomes_[own];
  const uint32_t steps = (outcome.column - work.column) & outcome.is_moved;
  work.column += steps;
  work.cell += steps;
  work.link ^= static_cast<uint8_t>((work.link ^ own) & outcome.is_moved);
  work.chosen = own;
  add(counts_->sessions_marked[own & (HG_LINKS_MAX - 1)], begins & outcome.is_moved);
  return mark(packet, outcome.dscp, at, chooser.reserved_dscp);
}

// The same in a bucket that remembers a link.
HG_RARE uint8_t Pipeline::choose_kept(const Packet& packet, const Places& at, const Marks& marks, hg_bucket bucket,
                                      unsigned way, bool begins, uint32_t hash) {
  const hg_exception_key key = {hash, ports_of(packet, at)};
  const auto now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
  const uint64_t since = marks.table.since_ns[way];
  const int64_t age_ns = since == 0 ? INT64_MAX : static_cast<int64_t>(packet.time_ns - since);
  const hg_choice choice =
      hg_choose(&marks.table, bucket, at.protocol, begins, age_ns, exceptions_.find(key, now_ms));
  if (choice.is_exception) {
    if (exceptions_.put(key, choice.link, now_ms, kIdleMs)) add(counts_->exceptions_lost, 1);
    __atomic_store_n(&counts_->exceptions, exceptions_.used(), __ATOMIC_RELAXED);
    if (new_exceptions_ != nullptr && new_exceptions_->count < kBatch)
      new_exceptions_->items[new_exceptions_->count++] = {key, choice.link};
  }
  add(counts_->sessions_kept, choice.is_kept);
  add(counts_->sessions_remarked, choice.is_remarked);
  return choice.link;
}

// Whether the packet was changed. `at.network` is not 0.
HG_STAGE bool Pipeline::mark(Packet& packet, uint8_t dscp, const Places& at, uint64_t reserved_dscp) {
  bool is_changed = false;
  if (dscp != HG_DSCP_NONE) {
    is_changed = set_dscp(packet, at.network, at.network_offset, dscp);
  } else if (reserved_dscp != 0 && reserved_dscp >> dscp_of(packet, at.network, at.network_offset) & 1) {
    is_changed = set_dscp(packet, at.network, at.network_offset, 0);
    if (is_changed) add(counts_->cleared, 1);
  }
  packet.verdict = is_changed ? Verdict::ForwardMarked : Verdict::Forward;
  return is_changed;
}

HG_RARE void Pipeline::tag_all(Batch& batch, const Listed& listed) {
  for (unsigned m = 0; m < listed.count; m++) {
    const unsigned i = listed.at[m];
    Packet& packet = batch.packets[i];
    const uint16_t vlan = outcomes_[batch.work[i].chosen].vlan;
    if (vlan == HG_VLAN_NONE || !set_vlan(packet, batch.places_of(i).first_tag_offset, vlan)) continue;
    batch.marked += packet.verdict == Verdict::Forward;
    packet.verdict = Verdict::ForwardMarked;
  }
}

}  // namespace headgate
