#include "pipeline.h"

#include <cstring>

#include "byte_order.h"
#include "common_packet.h"
#include "pipeline_batch.h"
#include "rewrite.h"
#include "tcp_steady.h"

// A stage of a batch is one function with all that it does: what it calls once is laid out in it.
#define HG_STAGE __attribute__((always_inline)) inline
#define HG_RARE __attribute__((noinline))

namespace headgate {
namespace {

constexpr uint16_t kDnsPort = 53, kQuicPort = 443;

// A pipeline without tables forwards and counts all the same.
const Tables kNoTables;

// One thread writes a counter; others read it whole at any time. The compiler would make three instructions of a
// relaxed atomic sum where x86 has one that does as well.
inline void add(uint64_t& counter, uint64_t by) {
#if defined(__x86_64__)
  __asm__("addq %1, %0" : "+m"(counter) : "re"(by) : "cc");
#else
  __atomic_store_n(&counter, counter + by, __ATOMIC_RELAXED);
#endif
}

// A tag in the metadata is on the wire too.
inline uint32_t on_wire(const Packet& packet) { return packet.wire_length + packet.has_vlan * 4u; }

constexpr size_t aligned(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

}  // namespace

struct Pipeline::Regions {
  size_t sessions, recent, resolvers, networks, heavy, counts, traffic, tcp, rtt, block_rtt, destination, rests, exceptions,
      end;
};

Pipeline::Regions Pipeline::layout(const PipelineSettings& settings) {
  Regions at{};
  size_t offset = 0;
  const auto take = [&offset](size_t bytes) {
    const size_t start = offset;
    offset += aligned(bytes);
    return start;
  };
  const size_t columns = (settings.links + 1ull) * 2;
  at.sessions = take(SessionTable::bytes(settings.session_slots));
  at.recent = take(RecentSegments::kBytes);
  at.resolvers = take(ResolverTable::bytes(settings.resolver_slots));
  at.networks = take(NetworkTable::bytes(settings.network_slots));
  at.heavy = take(settings.finds_heaviest ? HeavyTable::kBytes : 0);
  at.counts = take(sizeof(PipelineCounts));
  at.traffic = take((settings.blocks + 1ull) * columns * sizeof(TrafficCell));
  at.tcp = take(columns * sizeof(hg_tcp_counts));
  at.rtt = take(columns * sizeof(RttHistogram));
  at.block_rtt = take((settings.blocks + 1ull) * sizeof(BlockRtt));
  at.destination = take((settings.destinations + 1ull) * sizeof(DestinationTraffic));
  // Last, since it is seldom touched: see dense_bytes.
  at.rests = take(SessionTable::rest_bytes(settings.session_slots));
  at.exceptions = take(ExceptionTable::bytes());
  at.end = offset;
  return at;
}

size_t Pipeline::bytes(const PipelineSettings& settings) { return layout(settings).end; }
size_t Pipeline::dense_bytes(const PipelineSettings& settings) { return layout(settings).rests; }

Pipeline::Pipeline(const PipelineSettings& settings, void* memory)
    : settings_(settings),
      tables_(&kNoTables),
      sessions_(static_cast<uint8_t*>(memory) + layout(settings).sessions,
                static_cast<uint8_t*>(memory) + layout(settings).rests, settings.session_slots),
      recent_(static_cast<uint8_t*>(memory) + layout(settings).recent),
      resolvers_(static_cast<uint8_t*>(memory) + layout(settings).resolvers, settings.resolver_slots),
      networks_(static_cast<uint8_t*>(memory) + layout(settings).networks, settings.network_slots),
      heavy_(static_cast<uint8_t*>(memory) + layout(settings).heavy, settings.hash_key.word[0]),
      exceptions_(static_cast<uint8_t*>(memory) + layout(settings).exceptions) {
  uint8_t* base = static_cast<uint8_t*>(memory);
  const Regions at = layout(settings);
  counts_ = reinterpret_cast<PipelineCounts*>(base + at.counts);
  traffic_ = reinterpret_cast<TrafficCell*>(base + at.traffic);
  tcp_ = reinterpret_cast<hg_tcp_counts*>(base + at.tcp);
  rtt_ = reinterpret_cast<RttHistogram*>(base + at.rtt);
  block_rtt_ = reinterpret_cast<BlockRtt*>(base + at.block_rtt);
  destination_ = reinterpret_cast<DestinationTraffic*>(base + at.destination);
}

void Pipeline::process(Packet* packets, size_t n) {
  const Tables& tables = *tables_.load(std::memory_order_acquire);
  in_use_.store(tables.generation, std::memory_order_release);
  const Marks* const latest = marks_.load(std::memory_order_acquire);
  const bool has_latest = latest != nullptr && latest->table.tables == tables.marks.table.tables;
  const Marks& marks = has_latest ? *latest : tables.marks;
  if (latest != nullptr) marks_in_use_.store(latest->generation, std::memory_order_release);
  for (size_t at = 0; at < n; at += kBatch) {
    const size_t left = n - at;
    process_batch(packets + at, static_cast<unsigned>(left < kBatch ? left : kBatch), tables, marks);
  }
}

// Each stage runs over the whole batch, so that one packet's cache miss is the others' work.
void Pipeline::process_batch(Packet* packets, unsigned n, const Tables& tables, const Marks& marks) {
  Work work[kBatch];
  Parsed parsed[kBatch];  // of those that are not common; apart, since it is seldom touched
  // Which packets may be marked is as random as the traffic's direction: listed without a branch, they cost
  // one misprediction for a batch in place of two for each.
  uint8_t markable[kBatch];
  unsigned markable_count = 0;
  for (unsigned i = 0; i < n; i++) {
    if (i + 2 < n) __builtin_prefetch(packets[i + 2].data);
    read(packets[i], work[i], parsed[i], tables, marks.table.enabled != 0);
    markable[markable_count] = static_cast<uint8_t>(i);
    markable_count += work[i].may_mark;
  }
  for (unsigned m = 0; m < markable_count; m++) {
    const unsigned i = markable[m];
    // Where it is going to leave by is where it is counted, whatever its next hop says.
    work[i].chosen = choose(packets[i], work[i], marks);
    work[i].link = work[i].chosen < HG_LINKS_MAX ? work[i].chosen : work[i].link;
  }
  Found found;
  const size_t row = links() * 2ull;
  for (unsigned i = 0; i < n; i++) {
    Work& each = work[i];
    each.column = static_cast<uint32_t>(link_index(each.link, packets[i].direction));
    each.traffic = traffic_ + (each.block < settings_.blocks ? each.block : settings_.blocks) * row + each.column;
    __builtin_prefetch(each.traffic, 1);
    if (each.is_common) {
      Session* const session = sessions_.find(each.tag);
      if (session == nullptr || !follow_steady(packets[i], each, *session, i, found))
        follow_common(packets[i], each, parsed[i], session, i, found);
    } else if (each.is_tracked) {
      follow_tcp(packets[i], each, parsed[i], sessions_.find(each.tag), i, found);
    }
  }
  Sums sums;
  for (unsigned i = 0; i < n; i++) {
    if (work[i].is_common) {
      count_common(packets[i], work[i], sums);
    } else {
      count(packets[i], work[i], parsed[i], sums);
    }
  }
  add(counts_->packets, n);
  add(counts_->frame_bytes, sums.frame_bytes);
  add(counts_->network[0], sums.network[4]);
  add(counts_->network[1], sums.network[6]);
  add(counts_->network[2], sums.network[0]);
  add(counts_->tcp_segments, sums.tcp_segments);
  count_round_trips(packets, work, found);
  for (unsigned each = 0; each < found.sessions; each++) note_session(packets[found.session[each]], work[found.session[each]]);
  if (settings_.finds_heaviest)
    for (unsigned i = heavy_.first(n); i < n; i = heavy_.after(i, n)) note_heavy(packets[i], work[i]);
  for (unsigned m = 0; m < markable_count; m++) mark(packets[markable[m]], work[markable[m]], marks.table);
}

HG_STAGE void Pipeline::count_round_trips(const Packet* packets, const Work* work, const Found& found) {
  uint32_t* bucket[kBatch];
  uint8_t noted[kBatch];
  unsigned count = 0, noted_count = 0;
  for (unsigned s = 0; s < found.round_trips; s++) {
    const auto [rtt_us, at] = found.round_trip[s];
    // The packet came back from the end that it came from.
    rtt_[work[at].column ^ 1].add(rtt_us);
    bucket[count] = &block_rtt_[work[at].block < settings_.blocks ? work[at].block : settings_.blocks].bucket[BlockRtt::index_of(rtt_us)];
    __builtin_prefetch(bucket[count], 1);
    const bool is_from_outside = packets[at].direction == Direction::Inbound;
    count += is_from_outside;
    if (!is_from_outside || work[at].link >= settings_.links || work[at].places.network == 0 || !networks_.wants_rtt()) continue;
    prefetch_network(packets[at], work[at]);
    noted[noted_count++] = static_cast<uint8_t>(s);
  }
  for (unsigned s = 0; s < count; s++) ++*bucket[s];
  for (unsigned s = 0; s < noted_count; s++) {
    const auto [rtt_us, at] = found.round_trip[noted[s]];
    const Places& places = work[at].places;
    networks_.note_rtt(packets[at].data + places.network_offset, places.network, work[at].link, rtt_us, settings_.hash_key);
  }
}

void Pipeline::prefetch_network(const Packet& packet, const Work& work) {
  const bool is_inbound = packet.direction == Direction::Inbound;
  networks_.prefetch(packet.data + work.places.network_offset, work.places.network, is_inbound, settings_.hash_key);
}

HG_STAGE void Pipeline::read(Packet& packet, Work& work, Parsed& parsed, const Tables& tables, bool is_marking) {
  packet.verdict = Verdict::Forward;
  work.is_common = is_common(packet);
  if (work.is_common) {
    const CommonPacket at{packet.data};
    // A super-packet and what may ask a name server take the way where there are questions to ask.
    work.is_common = (packet.segment_bytes == 0) & (at.destination_port() != kDnsPort);
    if (work.is_common) {
      static constexpr Places places = {4, kProtocolTcp, CommonPacket::kNetwork, CommonPacket::kTransport, kNowhere};
      work.is_tracked = true;
      work.tag = session_tag4(at.source(), at.destination(), at.source_port(), at.destination_port(), settings_.hash_key);
      sessions_.prefetch(work.tag.hash);
      work.places = places;
      const uint16_t vlan = packet.has_vlan ? packet.vlan_tci & 0x0fff : kNoVlan;
      return attribute_packet(packet, work, tables, is_marking, 4, vlan, at.tos());
    }
  }
  read_any(packet, work, parsed, tables, is_marking);
}

HG_RARE void Pipeline::read_any(Packet& packet, Work& work, Parsed& parsed, const Tables& tables, bool is_marking) {
  parse(packet, parsed);
  work.is_tracked = parsed.has_tcp;
  if (work.is_tracked) {
    work.tag = session_tag(packet.data, parsed, settings_.hash_key);
    sessions_.prefetch(work.tag.hash);
  }
  const bool has_addresses =
      parsed.network != 0 && parsed.network_offset + (parsed.network == 4 ? 20u : 40u) <= packet.captured;
  const bool has_ports = parsed.has_ports && parsed.fragment == Fragment::Whole;
  work.places = {has_addresses ? parsed.network : uint8_t{0}, parsed.protocol, parsed.network_offset,
                 has_ports ? parsed.transport_offset : kNowhere, parsed.first_tag_offset};
  attribute_packet(packet, work, tables, is_marking, parsed.network, parsed.vlan, parsed.tos);
}

// Block, destination and link of a packet whose `places` are known. `outermost` is the network of a header that may
// be cut, too.
HG_STAGE void Pipeline::attribute_packet(Packet& packet, Work& work, const Tables& tables, bool is_marking,
                                         uint8_t outermost, uint16_t vlan, uint8_t tos) {
  const uint8_t network = work.places.network;
  work.block = work.other_block = work.destination = HG_NONE;
  work.way = HG_WAY_NONE;
  if (network != 0) {
    const uint8_t* ip = packet.data + work.places.network_offset;
    const uint8_t* source = ip + (network == 4 ? 12 : 8);
    const uint8_t* destination = ip + (network == 4 ? 16 : 24);
    if (settings_.direction_by_address) {
      const uint32_t from = tables.blocks.lookup(network, source);
      const uint32_t to = tables.blocks.lookup(network, destination);
      const bool is_ours = from != HG_NONE;
      packet.direction = is_ours ? Direction::Outbound : Direction::Inbound;
      work.block = is_ours ? from : to;
      work.other_block = is_ours ? to : HG_NONE;
    } else {
      // Reckoned, where a choice would be a branch that nobody can predict.
      const ptrdiff_t step = (destination - source) * (packet.direction == Direction::Inbound);
      work.block = tables.blocks.lookup(network, source + step);
    }
    if (!tables.destinations.empty() && packet.direction == Direction::Outbound) {
      // Of HG_NONE both parts say none.
      const uint32_t value = tables.destinations.lookup(network, destination);
      work.destination = value & HG_DESTINATIONS_MAX;
      work.way = value >> HG_DESTINATION_BITS & HG_WAY_NONE;
    }
  }
  const WireRules& rules = tables.wires[packet.wire < kWiresMax ? packet.wire : 0];
  work.link = attribute(rules, packet, outermost, vlan, tos);
  // Bits, since each is a branch that nobody can predict where traffic goes both ways.
  work.may_mark = is_marking & rules.may_mark & (packet.direction == Direction::Outbound);
}

// A CommonPacket: one packet on the wire, TCP, and nothing that could not be read.
HG_STAGE void Pipeline::count_common(const Packet& packet, const Work& work, Sums& sums) {
  sums.frame_bytes += packet.wire_length;
  sums.network[4]++;
  sums.tcp_segments++;
  const Amount amount{1, CommonPacket{packet.data}.ip_bytes(), on_wire(packet)};
  add_traffic(work, amount);
}

HG_STAGE void Pipeline::add_traffic(const Work& work, const Amount& amount) {
  const auto add_to = [&amount](hg_traffic& traffic) {
    add(traffic.packets, amount.segments);
    add(traffic.ip_bytes, amount.ip_bytes);
    add(traffic.l2_bytes, amount.l2_bytes);
  };
  add_to(*work.traffic);
  if (work.other_block != HG_NONE) add_to(traffic_[traffic_index(work.other_block, work.link, Direction::Inbound)]);
  if (work.destination < settings_.destinations) {
    DestinationTraffic& destination = destination_[work.destination];
    add(destination.packets, amount.segments);
    add(destination.l2_bytes, amount.l2_bytes);
  }
}

HG_RARE void Pipeline::count(const Packet& packet, const Work& work, const Parsed& parsed, Sums& sums) {
  sums.frame_bytes += packet.wire_length;
  sums.network[parsed.network]++;
  sums.tcp_segments += work.is_tracked;
  if (parsed.reason != Unparsed::None) add(counts_->unparsed[static_cast<unsigned>(parsed.reason)], 1);
  if (parsed.network == 0) return;

  const uint32_t l2_length = on_wire(packet);
  Amount amount{1, parsed.ip_bytes, l2_length};
  if (packet.segment_bytes != 0 && parsed.payload_bytes > packet.segment_bytes) {
    // The headers that each segment of a super-packet gets of its own.
    amount.segments = (parsed.payload_bytes + packet.segment_bytes - 1) / packet.segment_bytes;
    amount.ip_bytes += (amount.segments - 1) * (parsed.ip_bytes - parsed.payload_bytes);
    amount.l2_bytes += (amount.segments - 1) * (l2_length - parsed.payload_bytes);
  }
  add_traffic(work, amount);
  if (parsed.destination_port == kDnsPort && parsed.has_ports && is_dns_query(packet, parsed)) {
    // Only questions to our own name servers, where blocks say which addresses are ours.
    const bool is_to_us = packet.direction == Direction::Inbound || work.other_block != HG_NONE;
    if (is_to_us && (settings_.blocks == 0 || work.block != HG_NONE)) {
      const uint32_t now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
      if (!resolvers_.notice(packet.data, parsed, settings_.hash_key, now_ms)) add(counts_->resolvers_refused, 1);
      if (work.places.network != 0)
        networks_.note_query(packet.data + work.places.network_offset, work.places.network, now_ms);
    }
  }
}

// False: the segment is none of an established session in order, and nothing was done.
HG_STAGE bool Pipeline::follow_steady(const Packet& packet, const Work& work, Session& session, uint32_t at,
                                      Found& found) {
  const uint32_t now_us = static_cast<uint32_t>(packet.time_ns / 1'000);
  const uint32_t now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
  Steady steady;
  if (!track_steady(session, work.tag.side, CommonPacket{packet.data}, now_us, now_ms, recent_, steady)) return false;
  hg_tcp_counts& counts = tcp_[work.column];
  add(counts.data_segments, steady.is_data);
  add(counts.data_bytes, steady.payload_bytes);
  if (steady.has_rtt) found.round_trip[found.round_trips++] = {steady.rtt_us, at};
  return true;
}

HG_RARE void Pipeline::follow_common(const Packet& packet, const Work& work, Parsed& parsed, Session* session, uint32_t at,
                                     Found& found) {
  parse(packet, parsed);
  follow_tcp(packet, work, parsed, session, at, found);
}

HG_RARE void Pipeline::follow_tcp(const Packet& packet, const Work& work, const Parsed& parsed, Session* session, uint32_t at,
                                  Found& found) {
  const uint32_t now_us = static_cast<uint32_t>(packet.time_ns / 1'000);
  const uint32_t now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
  if (session == nullptr) {
    // A reset of a session that we do not know begins none.
    if (parsed.tcp_flags & kTcpRst) return;
    session = sessions_.insert(work.tag, now_ms);
    if (session == nullptr) {
      add(counts_->sessions_refused, 1);
      return;
    }
    add(counts_->sessions, 1);
    // One that begins before our eyes, with a host that is not ours.
    const bool is_request = (parsed.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
    if (is_request && work.places.network != 0 && work.block != HG_NONE && work.other_block == HG_NONE) {
      prefetch_network(packet, work);
      found.session[found.sessions++] = static_cast<uint8_t>(at);
    }
  }
  const Tracked tracked = track(*session, sessions_.rest_of(*session), work.tag.side, parsed, packet.segment_bytes, now_us, now_ms, recent_);
  record(packet, work, tracked);
  if (tracked.has_rtt) found.round_trip[found.round_trips++] = {tracked.rtt_us, at};
}

// One packet of many that stands for the others, where a session of ours sends it.
HG_RARE void Pipeline::note_heavy(const Packet& packet, const Work& work) {
  const Places& at = work.places;
  const bool is_session = at.protocol == kProtocolTcp || at.protocol == kProtocolUdp;
  if (packet.direction != Direction::Outbound || work.block == HG_NONE || work.other_block != HG_NONE) return;
  if (at.network == 0 || at.ports_offset == kNowhere || !is_session) return;
  heavy_.note(packet.data + at.network_offset, at.network, at.protocol, packet.data + at.ports_offset,
              work.is_tracked ? work.tag : SessionTag{}, on_wire(packet) * kHeavyEvery, settings_.hash_key,
              static_cast<uint32_t>(packet.time_ns / 1'000'000));
}

void Pipeline::note_session(const Packet& packet, const Work& work) {
  const Places& at = work.places;
  const bool is_inbound = packet.direction == Direction::Inbound;
  const auto now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
  if (!networks_.note_session(packet.data + at.network_offset, at.network, is_inbound, settings_.hash_key, now_ms))
    add(counts_->networks_refused, 1);
}

void Pipeline::record(const Packet& packet, const Work& work, const Tracked& tracked) {
  hg_tcp_counts& counts = tcp_[work.column];
  if (tracked.segment_class == SegmentClass::New) {
    add(counts.data_segments, tracked.segments);
    add(counts.data_bytes, tracked.new_bytes);
  } else if (tracked.segment_class != SegmentClass::NoData) {
    switch (tracked.segment_class) {
      case SegmentClass::LostBeyond:
        add(counts.lost_beyond, tracked.old_segments);
        break;
      case SegmentClass::LostBefore:
        add(counts.lost_before, tracked.old_segments);
        break;
      case SegmentClass::Spurious:
        add(counts.spurious, tracked.old_segments);
        break;
      case SegmentClass::Reordered:
        add(counts.reordered, tracked.old_segments);
        break;
      case SegmentClass::Duplicate:
        add(counts.duplicates, tracked.old_segments);
        break;
      case SegmentClass::KeepAlive:
        add(counts.keep_alives, 1);
        break;
      case SegmentClass::WindowProbe:
        add(counts.window_probes, 1);
        break;
      default:
        break;
    }
    if (is_retransmission(tracked.segment_class)) add(counts.retransmitted_bytes, tracked.old_bytes);
    const bool is_data = is_retransmission(tracked.segment_class) || tracked.segment_class == SegmentClass::Reordered;
    if (is_data) add(counts.data_segments, tracked.segments), add(counts.data_bytes, tracked.new_bytes);
    if (events_ != nullptr) {
      if (events_->count < events_->capacity) {
        events_->items[events_->count++] = {packet.frame, tracked.segment_class, packet.direction, work.link};
      } else {
        events_->lost++;
      }
    }
  }
  if (tracked.is_resync) add(counts_->resyncs, 1);
}

// Whether this packet, the first or not, is the sign of a session that is just beginning.
inline bool begins_session(const Packet& packet, uint8_t protocol, uint16_t ports_offset) {
  if (ports_offset == kNowhere) return false;
  const uint8_t* at = packet.data + ports_offset;
  const uint32_t readable = packet.captured - ports_offset;
  if (protocol == kProtocolTcp) return readable >= 14 && hg_tcp_begins(at[13]);
  if (protocol != kProtocolUdp || readable < 13) return false;
  const bool is_quic = load_be16(at) == kQuicPort || load_be16(at + 2) == kQuicPort;
  return is_quic && hg_quic_begins(at[8], load_be32(at + 9));
}

// By which link an outbound packet's session leaves; HG_LINK_PLAIN and HG_LINK_UNKNOWN leave that to the router.
HG_STAGE uint8_t Pipeline::choose(const Packet& packet, const Work& work, const Marks& marks) {
  if (work.places.network == 0) return HG_LINK_UNKNOWN;
  const uint8_t way = work.way != HG_WAY_NONE ? work.way : marks.table.otherwise;
  if (way == HG_WAY_NONE) return HG_LINK_UNKNOWN;
  const bool begins = begins_session(packet, work.places.protocol, work.places.ports_offset);
  const uint8_t own = way < HG_LINKS_MAX ? way : choose_between(packet, work, marks, way - HG_LINKS_MAX, begins);
  const uint8_t link = hg_is_down(&marks.table, own) ? HG_LINK_PLAIN : own;
  if (begins && link < HG_LINKS_MAX) add(counts_->sessions_marked[link], 1);
  return link;
}

uint8_t Pipeline::choose_between(const Packet& packet, const Work& work, const Marks& marks, uint8_t way, bool begins) {
  const Places& at = work.places;
  const uint8_t* ip = packet.data + at.network_offset;
  const uint32_t ports = at.ports_offset != kNowhere ? load<uint32_t>(packet.data + at.ports_offset) : 0;
  const uint32_t words = at.network == 4 ? 1 : 4;
  uint32_t source[4], destination[4];
  std::memcpy(source, ip + (words == 1 ? 12 : 8), words * 4);
  std::memcpy(destination, ip + (words == 1 ? 16 : 24), words * 4);
  const uint32_t hash = hg_tuple_hash(marks.table.key, source, destination, words, ports, at.protocol);
  const hg_bucket bucket = marks.buckets[way * HG_BUCKETS + (hash & (HG_BUCKETS - 1))];
  if (bucket.before == HG_LINK_UNKNOWN) return bucket.now;

  const hg_exception_key key = {hash, ports};
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

HG_STAGE void Pipeline::mark(Packet& packet, const Work& work, const hg_mark_table& table) {
  const Places& at = work.places;
  if (at.network == 0) return;
  const hg_mark none = {HG_VLAN_NONE, HG_DSCP_NONE, 0};
  const hg_mark chosen = work.chosen < HG_LINKS_MAX ? table.marks[work.chosen] : none;
  bool is_changed = false;
  if (chosen.dscp != HG_DSCP_NONE) {
    is_changed = set_dscp(packet, at.network, at.network_offset, chosen.dscp);
  } else if (table.reserved_dscp != 0 && table.reserved_dscp >> dscp_of(packet, at.network, at.network_offset) & 1) {
    is_changed = set_dscp(packet, at.network, at.network_offset, 0);
    if (is_changed) add(counts_->cleared, 1);
  }
  if (chosen.vlan != HG_VLAN_NONE) is_changed |= set_vlan(packet, at.first_tag_offset, chosen.vlan);
  if (!is_changed) return;
  packet.verdict = Verdict::ForwardMarked;
  add(counts_->marked, 1);
}

}  // namespace headgate
