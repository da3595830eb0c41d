#include "pipeline.h"

#include <algorithm>
#include <cstring>

#include "byte_order.h"
#include "pipeline_batch.h"
#include "tcp_steady.h"

namespace headgate {
namespace {

// A pipeline without tables forwards and counts all the same.
const Tables kNoTables;

constexpr size_t aligned(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

}  // namespace

struct Pipeline::Regions {
  size_t sessions, recent, sent_again, resolvers, networks, heavy, halves, spin, spin_counts, spin_rtt, counts, by_block, traffic,
      round_trips, tcp, rtt, destination, rests, exceptions, end;
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
  const size_t rows = settings.blocks + 1ull;
  at.sessions = take(SessionTable::bytes(settings.session_slots));
  at.recent = take(RecentSegments::kBytes);
  at.sent_again = take(SentAgainTable::kBytes);
  at.resolvers = take(ResolverTable::bytes(settings.resolver_slots));
  at.networks = take(NetworkTable::bytes(settings.network_slots));
  at.heavy = take(settings.finds_heaviest ? HeavyTable::kBytes : 0);
  at.halves = take(settings.half_share != 0 ? HalfRing::kBytes : 0);
  at.spin = take(settings.follows_spin ? SpinTable::kBytes : 0);
  at.spin_counts = take(sizeof(SpinCounts));
  at.spin_rtt = take(settings.follows_spin ? sizeof(RttHistogram) : 0);
  at.counts = take(sizeof(PipelineCounts));
  at.by_block = take(BlockTable::recent_bytes(rows, columns));
  at.traffic = take(BlockTable::traffic_bytes(rows, columns));
  at.tcp = take(columns * sizeof(hg_tcp_counts));
  at.rtt = take(columns * sizeof(RttHistogram));
  at.round_trips = take(BlockTable::round_trip_bytes(rows));
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
      sent_again_(static_cast<uint8_t*>(memory) + layout(settings).sent_again),
      resolvers_(static_cast<uint8_t*>(memory) + layout(settings).resolvers, settings.resolver_slots),
      networks_(static_cast<uint8_t*>(memory) + layout(settings).networks, settings.network_slots),
      heavy_(static_cast<uint8_t*>(memory) + layout(settings).heavy, settings.hash_key.word[0]),
      halves_(static_cast<uint8_t*>(memory) + layout(settings).halves),
      spin_(static_cast<uint8_t*>(memory) + layout(settings).spin),
      exceptions_(static_cast<uint8_t*>(memory) + layout(settings).exceptions),
      by_block_({static_cast<uint8_t*>(memory) + layout(settings).by_block,
                 static_cast<uint8_t*>(memory) + layout(settings).traffic,
                 static_cast<uint8_t*>(memory) + layout(settings).round_trips},
                (settings.links + 1ull) * 2) {
  uint8_t* base = static_cast<uint8_t*>(memory);
  const Regions at = layout(settings);
  counts_ = reinterpret_cast<PipelineCounts*>(base + at.counts);
  spin_counts_ = reinterpret_cast<SpinCounts*>(base + at.spin_counts);
  spin_rtt_ = reinterpret_cast<RttHistogram*>(base + at.spin_rtt);
  tcp_ = reinterpret_cast<hg_tcp_counts*>(base + at.tcp);
  rtt_ = reinterpret_cast<RttHistogram*>(base + at.rtt);
  destination_ = reinterpret_cast<DestinationTraffic*>(base + at.destination);
}

HG_RARE void Pipeline::count_any(Batch& batch, unsigned i) {
  const Packet& packet = batch.packets[i];
  const Work& work = batch.work[i];
  const Parsed& parsed = batch.parsed[i];
  batch.network[parsed.network]++;
  if (work.is_tracked) add(counts_->tcp_segments, 1);
  if (parsed.reason != Unparsed::None) add(counts_->unparsed[static_cast<unsigned>(parsed.reason)], 1);
  if (parsed.network == 0) return;

  const uint32_t l2_length = on_wire(packet);
  hg_traffic amount{1, parsed.ip_bytes, l2_length};
  if (packet.segment_bytes != 0 && parsed.payload_bytes > packet.segment_bytes) {
    // The headers that each segment of a super-packet gets of its own.
    amount.packets = (parsed.payload_bytes + packet.segment_bytes - 1) / packet.segment_bytes;
    amount.ip_bytes += (amount.packets - 1) * (parsed.ip_bytes - parsed.payload_bytes);
    amount.l2_bytes += (amount.packets - 1) * (l2_length - parsed.payload_bytes);
  }
  by_block_.count(work.cell, amount);
  count_elsewhere<true, true>(work, amount);
  if (settings_.follows_spin && is_short_quic(packet, parsed)) {
    const SessionTag tag = session_tag(packet.data, parsed, settings_.hash_key);
    const uint32_t rtt_us = spin_.notice(packet, parsed, tag, *spin_counts_);
    if (rtt_us != 0 && rtt_us < kSampleMaxUs) spin_rtt_->add(rtt_us);
  }
  if (parsed.destination_port == kDnsPort && parsed.has_ports && is_dns_query(packet, parsed)) {
    // Only questions to our own name servers, where blocks say which addresses are ours.
    const bool is_to_us = packet.direction == Direction::Inbound || work.other_block != HG_NONE;
    if (is_to_us && (settings_.blocks == 0 || work.block != HG_NONE)) {
      const uint32_t now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
      if (!resolvers_.notice(packet.data, parsed, settings_.hash_key, now_ms)) add(counts_->resolvers_refused, 1);
      const Places& at = batch.places[i];
      if (at.network != 0) networks_.note_query(packet.data + at.network_offset, at.network, now_ms);
    }
  }
}

HG_STAGE void Pipeline::prefetch_network(const Batch& batch, unsigned i) {
  const Packet& packet = batch.packets[i];
  const Places& at = batch.places_of(i);
  const bool is_inbound = packet.direction == Direction::Inbound;
  networks_.prefetch(packet.data + at.network_offset, at.network, is_inbound, settings_.hash_key);
}

// nullptr: there is none to follow.
HG_STAGE Session* Pipeline::begin(Batch& batch, unsigned i, uint8_t tcp_flags, uint32_t now_ms) {
  const Work& work = batch.work[i];
  // A reset of a session that we do not know begins none.
  if (tcp_flags & kTcpRst) return nullptr;
  Session* const session = sessions_.insert(work.tag, now_ms);
  if (session == nullptr) {
    add(counts_->sessions_refused, 1);
    return nullptr;
  }
  add(counts_->sessions, 1);
  // One that begins before our eyes, with a host that is not ours.
  const bool is_request = (tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
  if (is_request && work.block != HG_NONE && work.other_block == HG_NONE)
    batch.found.session[batch.found.sessions++] = static_cast<uint8_t>(i);
  return session;
}

HG_STAGE void Pipeline::record(Batch& batch, unsigned i, const Tracked& tracked) {
  const Packet& packet = batch.packets[i];
  const Work& work = batch.work[i];
  hg_tcp_counts& counts = tcp_[work.column];
  batch.found.round_trip[batch.found.round_trips] = {tracked.rtt_us, i};
  batch.found.round_trips += tracked.has_rtt;
  if (tracked.is_resync) add(counts_->resyncs, 1);
  if (tracked.segment_class == SegmentClass::New) {
    add(counts.data_segments, tracked.segments);
    add(counts.data_bytes, tracked.new_bytes);
  } else if (tracked.segment_class != SegmentClass::NoData) {
    record_old(packet, work, tracked);
    note_sent_again(batch, i, tracked);
  }
}

HG_RARE void Pipeline::follow_common(Batch& batch, unsigned i, Session* session) {
  const CommonPacket packet{batch.packets[i].data};
  const Moment now = moment_of(batch.packets[i]);
  if (session == nullptr) session = begin(batch, i, packet.tcp_flags(), now.ms);
  if (session == nullptr) return;
  record(batch, i, track(*session, sessions_.rest_of(*session), batch.work[i].tag.side, packet, now.us, now.ms, recent_));
}

HG_RARE void Pipeline::follow_tcp(Batch& batch, unsigned i, Session* session) {
  const Packet& packet = batch.packets[i];
  const Parsed& parsed = batch.parsed[i];
  const Moment now = moment_of(packet);
  if (session == nullptr) session = begin(batch, i, parsed.tcp_flags, now.ms);
  if (session == nullptr) return;
  record(batch, i, track(*session, sessions_.rest_of(*session), batch.work[i].tag.side, parsed, packet.segment_bytes, now.us,
                         now.ms, recent_));
  if (parsed.twice_start != parsed.twice_end) take_back(batch, i);
}

// What is known to be needless at once, or a copy, is what the receiver's report will be of.
HG_RARE void Pipeline::note_sent_again(const Batch& batch, unsigned i, const Tracked& tracked) {
  const Packet& packet = batch.packets[i];
  const Work& work = batch.work[i];
  const uint32_t seq = work.is_common ? CommonPacket{packet.data}.seq() : batch.parsed[i].seq;
  if (tracked.segment_class == SegmentClass::Spurious || tracked.segment_class == SegmentClass::Duplicate) {
    sent_again_.forget(work.tag, seq);
  } else if (tracked.segment_class == SegmentClass::LostBeyond) {
    const auto segments = static_cast<uint16_t>(std::min(tracked.old_segments, 0xffffu));
    sent_again_.remember(work.tag, seq, {packet.frame, seq + tracked.old_bytes, work.column, segments});
  }
}

// The receiver has got something twice. The count that it is taken from only ever grows, as counts do that others read.
HG_RARE void Pipeline::take_back(const Batch& batch, unsigned i) {
  const Parsed& parsed = batch.parsed[i];
  sent_again_.take(batch.work[i].tag, parsed.twice_start, parsed.twice_end, [&](const SentAgain& what) {
    add(tcp_[what.column].needless, what.segments);
    report({what.frame, SegmentClass::Spurious});
  });
}

// One packet of many that stands for the others, where a session of ours sends it.
HG_RARE void Pipeline::note_heavy(const Batch& batch, unsigned i) {
  const Packet& packet = batch.packets[i];
  const Work& work = batch.work[i];
  const Places& at = batch.places_of(i);
  const bool is_session = at.protocol == kProtocolTcp || at.protocol == kProtocolUdp;
  if (packet.direction != Direction::Outbound || work.block == HG_NONE || work.other_block != HG_NONE) return;
  if (at.network == 0 || at.ports_offset == kNowhere || !is_session) return;
  heavy_.note(packet.data + at.network_offset, at.network, at.protocol, packet.data + at.ports_offset,
              work.is_tracked ? work.tag : SessionTag{}, on_wire(packet) * kHeavyEvery, settings_.hash_key,
              static_cast<uint32_t>(packet.time_ns / 1'000'000));
}

// Of a session that is seen both ways this is its first packet alone, and of most there is nothing more to ask.
HG_RARE void Pipeline::note_half(const Batch& batch, unsigned i) {
  const Packet& packet = batch.packets[i];
  const Work& work = batch.work[i];
  const Session* const session = sessions_.find(work.tag);
  if (session == nullptr || session->flags[1 - work.tag.side].is_seeded) return;
  Parsed parsed;
  parse(packet, parsed);
  if (!parsed.has_tcp) return;
  const SessionTag shared = session_tag(packet.data, parsed, settings_.half_key);
  if (shared.tag >= settings_.half_share) return;
  hg_half_segment segment = {};
  segment.session = shared.key();
  segment.time_ns = packet.time_ns;
  segment.seq = parsed.seq;
  segment.ack = parsed.ack;
  segment.payload_bytes = parsed.payload_bytes;
  segment.tsval = parsed.tsval;
  segment.tsecr = parsed.tsecr;
  segment.has_timestamps = parsed.has_timestamps;
  segment.link = work.link;
  segment.direction = static_cast<uint8_t>(packet.direction);
  segment.flags = parsed.tcp_flags;
  halves_.put(segment);
}

void Pipeline::note_sessions(const Batch& batch) {
  for (unsigned s = 0; s < batch.found.sessions; s++) prefetch_network(batch, batch.found.session[s]);
  for (unsigned s = 0; s < batch.found.sessions; s++) {
    const unsigned i = batch.found.session[s];
    const Packet& packet = batch.packets[i];
    const Places& at = batch.places_of(i);
    const bool is_inbound = packet.direction == Direction::Inbound;
    const auto now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
    if (!networks_.note_session(packet.data + at.network_offset, at.network, is_inbound, settings_.hash_key, now_ms))
      add(counts_->networks_refused, 1);
  }
}

void Pipeline::count_round_trips(const Batch& batch) {
  uint8_t outside[kBatch + 1];
  unsigned count = 0;
  for (unsigned s = 0; s < batch.found.round_trips; s++) {
    const auto [rtt_us, at] = batch.found.round_trip[s];
    const Work& work = batch.work[at];
    // The packet came back from the end that it came from.
    rtt_[work.column ^ 1].add(rtt_us);
    const bool is_outside = is_inbound(batch.packets[at]) != 0;
    // The row was touched by the packet: it is still at hand.
    by_block_.count_round_trip(work.cell - work.column, rtt_us, is_outside);
    outside[count] = static_cast<uint8_t>(s);
    count += is_outside & networks_.wants_rtt();
  }
  unsigned noted = 0;
  for (unsigned s = 0; s < count; s++) {
    const unsigned at = batch.found.round_trip[outside[s]].at;
    if (batch.work[at].link >= settings_.links || batch.places_of(at).network == 0) continue;
    prefetch_network(batch, at);
    outside[noted++] = outside[s];
  }
  for (unsigned s = 0; s < noted; s++) {
    const auto [rtt_us, at] = batch.found.round_trip[outside[s]];
    const Places& places = batch.places_of(at);
    networks_.note_rtt(batch.packets[at].data + places.network_offset, places.network, batch.work[at].link, rtt_us,
                       settings_.hash_key);
  }
}

HG_RARE void Pipeline::record_old(const Packet& packet, const Work& work, const Tracked& tracked) {
  hg_tcp_counts& counts = tcp_[work.column];
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
  report({packet.frame, tracked.segment_class});
}

HG_RARE void Pipeline::report(const TcpEvent& event) {
  if (events_ == nullptr) return;
  if (events_->count < events_->capacity) {
    events_->items[events_->count++] = event;
  } else {
    events_->lost++;
  }
}

}  // namespace headgate
