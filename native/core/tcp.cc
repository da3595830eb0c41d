#include "tcp.h"

#include "tcp_steady.h"

// Left to itself the compiler calls what every segment needs and lays losses out in its way.
#define HG_HOT __attribute__((always_inline)) inline
#define HG_RARE __attribute__((noinline, cold))

namespace headgate {
namespace {

// What is asked of a segment, however it was read.
struct Segment {
  uint32_t seq, ack, payload_bytes, tsval, tsecr;
  uint16_t window, ip_id, mss;
  uint8_t tcp_flags;
  bool has_timestamps;
};

// Without timestamps and identifications, a segment that fills a hole sooner than this was reordered: a
// retransmission takes a whole round trip at least. Bounds for paths whose round trip is not known.
uint32_t reordering_us(const Session& session) {
  const uint32_t rtt_us = (rtt_units(session.nearness[0]) + rtt_units(session.nearness[1])) * kRttUnitUs;
  const uint32_t most = rtt_us / 4 * 3;
  return most < 3'000 ? 3'000 : most > 50'000 ? 50'000 : most;
}

void remove_hole(SideFlags& own, Hole* holes, unsigned index) {
  for (unsigned i = index + 1; i < own.holes; i++) holes[i - 1] = holes[i];
  own.holes = (own.holes - 1) & 7;
}

// Holes stay in sequence order. When all are taken, the two with the least between them become one: then
// a segment in either is still judged by its age, and only bytes between them could be misjudged.
HG_RARE void add_hole(SideFlags& own, Hole* holes, const Hole& hole) {
  // What lies further back than the space can tell apart would come out ahead.
  while (own.holes > 0 && (hole.end - holes[0].start) > static_cast<uint32_t>(kJumpMax)) remove_hole(own, holes, 0);
  if (own.holes == kHoles) {
    unsigned best = 0;
    for (unsigned i = 1; i + 1 < kHoles; i++) {
      if (ahead(holes[i + 1].start, holes[i].end) < ahead(holes[best + 1].start, holes[best].end)) best = i;
    }
    const uint32_t start = holes[best].start;
    remove_hole(own, holes, best);
    holes[best].start = start;
  }
  holes[own.holes] = hole;
  own.holes = (own.holes + 1) & 7;
}

// Takes [start, end) out of the holes. True, and the first hole as it was, when they overlapped.
bool fill_holes(SideFlags& own, Hole* holes, uint32_t start, uint32_t end, Hole& first) {
  bool filled = false;
  for (unsigned i = 0; i < own.holes;) {
    Hole& hole = holes[i];
    if (ahead(start, hole.end) >= 0 || ahead(end, hole.start) <= 0) {
      i++;
      continue;
    }
    if (!filled) first = hole;
    filled = true;
    const bool keeps_head = ahead(start, hole.start) > 0, keeps_tail = ahead(hole.end, end) > 0;
    if (keeps_head && keeps_tail) {
      if (own.holes < kHoles) {
        for (unsigned j = own.holes; j > i; j--) holes[j] = holes[j - 1];
        own.holes = (own.holes + 1) & 7;
        holes[i].end = start;
        holes[i + 1].start = end;
        return true;
      }
      // No room for two parts: the hole stays whole. What is sent again of its middle is then taken for lost
      // before us; what belongs to a part that was forgotten would be taken for a loss that never was.
      return true;
    }
    if (keeps_head) {
      hole.end = start;
    } else if (keeps_tail) {
      hole.start = end;
    } else {
      remove_hole(own, holes, i);
      continue;
    }
    i++;
  }
  return filled;
}

void drop_holes_below(SideFlags& own, Hole* holes, uint32_t ack) {
  while (own.holes > 0 && ahead(ack, holes[0].end) >= 0) remove_hole(own, holes, 0);
  if (own.holes > 0 && ahead(ack, holes[0].start) > 0) holes[0].start = ack;
}

// Whether `ip_id` comes a little behind `known` where identifications count up, as most systems send them. Of those
// that are drawn at random one in 512 seems to.
bool follows(uint16_t ip_id, uint16_t known) {
  return ip_id != 0 && known != 0 && static_cast<uint16_t>(ip_id - known - 1) < 128;
}

uint64_t fingerprint(const Session& session, const Segment& segment) {
  return fingerprint_of(session.hash, segment.seq, segment.ack, segment.payload_bytes, segment.tsval, segment.ip_id);
}

bool is_recognizable(const Segment& segment) { return segment.ip_id != 0 || segment.has_timestamps; }

// Whether a SYN was sent in an earlier tick already: that one began the side's sample. A lost SYN-ACK is repeated by the
// server's clock and, in the same tick, as the answer to the client's repeated SYN, behind the acknowledgement of the other
// even; without an identification, as Linux sends them, the two are alike bit for bit.
bool repeats_again(const Session& session, unsigned side, const Segment& segment) {
  return (segment.tcp_flags & kTcpSyn) != 0 && segment.has_timestamps && !session.flags[side].by_sequence &&
         ahead(segment.tsval, session.sample_key[side]) > 0;
}

bool is_copy(const Session& session, const SessionRest& rest, unsigned side, const Segment& segment, bool tsval_is_new, uint32_t now_ms,
             const RecentSegments& recent) {
  // Newer than all that was sent: no copy of any of it, whatever a fingerprint says.
  if (tsval_is_new) return false;
  if (follows(segment.ip_id, session.ip_id[side]) || repeats_again(session, side, segment)) return false;
  const uint64_t print = fingerprint(session, segment);
  if (is_recognizable(segment)) return recent.has(print);
  // Nothing but its time tells a copy from a retransmission.
  return rest.print[side] == static_cast<uint16_t>(print >> 48) && now_ms - session.last_seen_ms <= 1;
}

HG_HOT void remember(const Session& session, SessionRest& rest, unsigned side, const Segment& segment, RecentSegments& recent) {
  const uint64_t print = fingerprint(session, segment);
  if (is_recognizable(segment)) return recent.remember(print);
  rest.print[side] = static_cast<uint16_t>(print >> 48);
}

// Whether a segment that fills `hole` was sent before the one that left it.
bool was_sent_before(const Session& session, unsigned side, const Hole& hole, const Segment& segment, uint32_t now_us) {
  if (follows(segment.ip_id, session.ip_id[side])) return false;
  if (follows(hole.ip_id, segment.ip_id)) return true;
  if (segment.has_timestamps) {
    const int16_t newer = static_cast<int16_t>(static_cast<uint16_t>(segment.tsval) - hole.tsval);
    if (newer != 0) return newer < 0;
  }
  return now_us - hole.time_us < reordering_us(session);
}

// Whether a segment that brings nothing new is the first copy of bytes whose hole a retransmission has filled.
bool is_overtaken(const Session& session, unsigned side, const Segment& segment, const RecentSegments& recent) {
  return segment.has_timestamps && !follows(segment.ip_id, session.ip_id[side]) &&
         recent.was_filled_since(session.hash, segment.seq, segment.tsval);
}

// Where no acknowledgement is seen, or none comes, what was acknowledged and the holes stay behind: they are
// drawn along before the distance passes what signed differences can tell.
HG_HOT void follow_far(Session& session, SessionRest& rest, unsigned side) {
  const uint32_t far = session.next[side] - static_cast<uint32_t>(kJumpMax);
  if (session.next[side] - session.acked[side] > static_cast<uint32_t>(kJumpMax)) session.acked[side] = far;
  if (session.flags[side].holes != 0 && session.next[side] - rest.hole[side][0].start > static_cast<uint32_t>(kJumpMax))
    drop_holes_below(session.flags[side], rest.hole[side], far);
}

HG_RARE SegmentClass classify_old(Session& session, SessionRest& rest, unsigned side, const Segment& segment, uint32_t end, bool tsval_is_new,
                          uint32_t now_us, uint32_t now_ms, RecentSegments& recent) {
  if (is_copy(session, rest, side, segment, tsval_is_new, now_ms, recent)) return SegmentClass::Duplicate;
  Hole hole;
  if (fill_holes(session.flags[side], rest.hole[side], segment.seq, end, hole)) {
    if (was_sent_before(session, side, hole, segment, now_us)) return SegmentClass::Reordered;
    recent.remember_filled(session.hash, segment.seq, segment.tsval);
    return SegmentClass::LostBefore;
  }
  if (is_overtaken(session, side, segment, recent)) return SegmentClass::Reordered;
  return ahead(end, session.acked[side]) <= 0 ? SegmentClass::Spurious : SegmentClass::LostBeyond;
}

HG_RARE uint16_t mss_of(const Session& session, const SessionRest& rest, unsigned side) {
  const unsigned mss_class = session.mss_class[side];
  return mss_class >= kMssLarge ? rest.mss[side] : kMssClasses[mss_class].mss;
}

HG_HOT uint32_t segments_in(uint32_t bytes, const Session& session, const SessionRest& rest, unsigned side,
                            const Segment& segment, uint32_t segment_bytes) {
  if (bytes == 0) return 0;
  if (segment_bytes == 0) {
    const uint16_t mss = mss_of(session, rest, side);
    // Offload that left no trace but its size.
    const uint32_t options = segment.has_timestamps ? 12u : 0u;
    if (segment.payload_bytes <= segment_limit(mss, options)) return 1;
    segment_bytes = mss > 100 ? mss - options : 1448u;
  }
  return (bytes + segment_bytes - 1) / segment_bytes;
}

HG_RARE void learn_mss(Session& session, SessionRest& rest, unsigned side, uint16_t mss) {
  unsigned mss_class = kMssUnknown + 1;
  while (mss_class < kMssLarge && kMssClasses[mss_class].mss != mss) mss_class++;
  if (mss_class == kMssLarge) {
    rest.mss[side] = mss;
    if (segment_limit(mss, 12) < kMssClasses[kMssLarge].payload) mss_class = kMssSmall;
  }
  session.mss_class[side] = static_cast<uint8_t>(mss_class);
}

HG_RARE void restart(Session& session) {
  for (unsigned side = 0; side < 2; side++) {
    session.flags[side] = SideFlags{};
    session.next[side] = session.acked[side] = session.tsval[side] = 0;
    session.sample_key[side] = session.sample_start[side] = 0;
    session.ip_id[side] = 0;
    session.mss_class[side] = session.nearness[side] = 0;
  }
  session.state = SessionState::HalfOpen;
}

HG_HOT void begin_sample(Session& session, unsigned side, const Segment& segment, bool tsval_is_new, uint32_t end,
                         uint32_t now_us) {
  SideFlags& own = session.flags[side];
  const uint32_t running = session.sample_start[side];
  const bool is_answered = end != segment.seq;
  // One by timestamps ends by any later echo; an acknowledgement that long does not come is not waited for.
  if (!may_begin(running, is_answered) && (!own.by_sequence || since_start(running, now_us) < kSampleMaxUs)) return;
  if (segment.has_timestamps && segment.tsval != 0) {
    // Only the first segment of a tick: the echo of a tick cannot tell which of its segments it answers.
    // Pure acknowledgements count too: of a download they are all that tells how far the sender is.
    if (!tsval_is_new) return;
    own.by_sequence = 0;
    session.sample_key[side] = segment.tsval;
  } else {
    if (!is_answered) return;
    own.by_sequence = 1;
    session.sample_key[side] = end;
  }
  session.sample_start[side] = sample_start_of(now_us, is_answered);
}

void drop_sample(Session& session, unsigned side) {
  session.sample_start[side] = 0;
  session.flags[side].by_sequence = 0;
}

// Ends the other side's sample by this packet's acknowledgement or echo.
HG_HOT void end_sample(Session& session, unsigned peer, const Segment& segment, uint32_t now_us, Tracked& result) {
  const bool by_sequence = session.flags[peer].by_sequence;
  if (!by_sequence && !segment.has_timestamps) return;
  const int32_t beyond = ahead(by_sequence ? segment.ack : segment.tsecr, session.sample_key[peer]);
  if (beyond < 0) return;
  const uint32_t rtt_us = since_start(session.sample_start[peer], now_us);
  drop_sample(session, peer);
  // The tick was skipped by a delayed acknowledgement: its time is not known.
  if (!by_sequence && beyond > 0) return;
  if (rtt_us >= kSampleMaxUs) return;
  result.has_rtt = true;
  result.rtt_us = rtt_us;
  session.nearness[peer] = nearest(session.nearness[peer], rtt_us, true);
}

HG_HOT void follow_ack(Session& session, SessionRest& rest, unsigned side, const Segment& segment, uint32_t now_us, Tracked& result) {
  const unsigned peer = side ^ 1;
  SideFlags& other = session.flags[peer];
  if (session.sample_start[peer] != 0) end_sample(session, peer, segment, now_us, result);
  if (!other.is_seeded) return;
  if (other.probed && segment.ack == session.next[peer] + 1) {
    // The probe's byte was taken after all.
    session.next[peer] = segment.ack;
    other.probed = 0;
  }
  if (ahead(segment.ack, session.acked[peer]) > 0 && ahead(segment.ack, session.next[peer]) <= 0) {
    session.acked[peer] = segment.ack;
    if (other.holes != 0) drop_holes_below(other, rest.hole[peer], segment.ack);
  }
}

HG_HOT void follow_state(Session& session, unsigned side, const Segment& segment) {
  SideFlags& own = session.flags[side];
  constexpr uint8_t changing = kTcpSyn | kTcpFin | kTcpRst;
  if (session.state == SessionState::Established && !(segment.tcp_flags & changing)) {
    own.is_closed_window = segment.window == 0;
    return;
  }
  own.is_closed_window = segment.window == 0 && !(segment.tcp_flags & (kTcpSyn | kTcpFin | kTcpRst));
  if (segment.tcp_flags & kTcpFin) own.has_fin = 1;
  if ((segment.tcp_flags & kTcpRst) || (own.has_fin && session.flags[side ^ 1].has_fin)) {
    session.state = SessionState::Closed;
  } else if (session.state == SessionState::Established || session.state == SessionState::Closed) {
    return;
  } else if (session.flags[side ^ 1].is_seeded) {
    // A handshake counts when its third segment is there, so that a scanned host's answers hold no slot.
    const bool in_handshake = (segment.tcp_flags & kTcpSyn) != 0;
    session.state = in_handshake ? SessionState::HalfOpen : SessionState::Established;
  } else {
    session.state = (segment.tcp_flags & kTcpSyn) ? SessionState::HalfOpen : SessionState::OneSided;
  }
}

// By force in both that call it: what is known of the one's packets is then not asked.
HG_HOT Tracked follow_segment(Session& session, SessionRest& rest, unsigned side, const Segment& segment, uint32_t segment_bytes,
                              uint32_t now_us, uint32_t now_ms, RecentSegments& recent) {
  Tracked result{};
  const bool is_syn = (segment.tcp_flags & kTcpSyn) != 0;
  const bool is_fin = (segment.tcp_flags & kTcpFin) != 0;
  const uint32_t end = segment.seq + segment.payload_bytes + (is_syn ? 1 : 0) + (is_fin ? 1 : 0);

  // A port that is used again: a new initial sequence number, or any SYN after the end.
  if (is_syn && session.flags[side].is_seeded) {
    const int32_t behind = ahead(session.next[side], segment.seq + 1);
    if (session.state == SessionState::Closed || behind < 0 || behind > (1 << 20)) restart(session);
  }
  SideFlags& own = session.flags[side];
  if (segment.mss != 0) learn_mss(session, rest, side ^ 1, segment.mss);
  if (segment.tcp_flags & kTcpAck) follow_ack(session, rest, side, segment, now_us, result);
  if (segment.tcp_flags & kTcpRst) {
    follow_state(session, side, segment);
    session.last_seen_ms = now_ms;
    return result;
  }

  bool tsval_is_new = false;
  if (segment.has_timestamps && (!own.is_seeded || ahead(segment.tsval, session.tsval[side]) > 0)) {
    session.tsval[side] = segment.tsval;
    tsval_is_new = true;
  }
  result.segments = segments_in(segment.payload_bytes, session, rest, side, segment, segment_bytes);

  const int32_t skipped = ahead(segment.seq, session.next[side]);
  if (!own.is_seeded || skipped > kJumpMax || skipped < -kJumpMax) {
    result.is_resync = own.is_seeded;
    own.is_seeded = 1;
    own.holes = 0;
    drop_sample(session, side);
    session.next[side] = end;
    session.acked[side] = segment.seq;
    begin_sample(session, side, segment, tsval_is_new, end, now_us);
    if (end != segment.seq) {
      result.segment_class = SegmentClass::New;
      result.new_bytes = segment.payload_bytes;
      remember(session, rest, side, segment, recent);
    }
  } else if (skipped < 0 && segment.payload_bytes <= 1 && skipped == -1 && !is_syn && !is_fin &&
             !own.has_fin &&
             (segment.payload_bytes == 0 || ahead(session.acked[side], segment.seq) > 0)) {
    // A lone last byte that is not acknowledged yet is a retransmission, not a keep-alive.
    result.segment_class = SegmentClass::KeepAlive;
  } else if (skipped == 0 && segment.payload_bytes == 1 && session.flags[side ^ 1].is_closed_window && !is_fin) {
    result.segment_class = SegmentClass::WindowProbe;
    own.probed = 1;
  } else if (skipped >= 0) {
    if (skipped > 0) {
      add_hole(own, rest.hole[side],
               {session.next[side], segment.seq, now_us, static_cast<uint16_t>(segment.tsval), segment.ip_id});
    }
    session.next[side] = end;
    follow_far(session, rest, side);
    begin_sample(session, side, segment, tsval_is_new, end, now_us);
    if (end != segment.seq) {
      result.segment_class = SegmentClass::New;
      result.new_bytes = segment.payload_bytes;
      remember(session, rest, side, segment, recent);
    }
  } else if (end != segment.seq) {
    const int32_t tail = ahead(end, session.next[side]);
    const uint32_t new_part = tail > 0 ? static_cast<uint32_t>(tail) : 0;
    result.segment_class =
        classify_old(session, rest, side, segment, tail > 0 ? session.next[side] : end, tsval_is_new, now_us, now_ms, recent);
    result.new_bytes = new_part < segment.payload_bytes ? new_part : segment.payload_bytes;
    result.old_bytes = segment.payload_bytes - result.new_bytes;
    result.old_segments = segments_in(result.old_bytes, session, rest, side, segment, segment_bytes);
    if (result.old_segments == 0) result.old_segments = 1;  // a SYN or FIN alone
    if (tail > 0) {
      session.next[side] = end;
      follow_far(session, rest, side);
    }
    if (is_retransmission(result.segment_class)) {
      // Karn: which copy an acknowledgement answers is not known (RFC 6298 section 3).
      if (own.by_sequence && ahead(segment.seq, session.sample_key[side]) < 0) drop_sample(session, side);
    }
    if (result.segment_class != SegmentClass::Duplicate) remember(session, rest, side, segment, recent);
  }
  // What is sent again has an identification of its own; what comes late one from before.
  if (skipped >= 0 || follows(segment.ip_id, session.ip_id[side])) session.ip_id[side] = segment.ip_id;
  follow_state(session, side, segment);
  session.last_seen_ms = now_ms;
  return result;
}

}  // namespace

Tracked track(Session& session, SessionRest& rest, unsigned side, const Parsed& parsed, uint32_t segment_bytes, uint32_t now_us,
              uint32_t now_ms, RecentSegments& recent) {
  const Segment segment = {parsed.seq,    parsed.ack,   parsed.payload_bytes, parsed.tsval,     parsed.tsecr,
                           parsed.window, parsed.ip_id, parsed.mss,           parsed.tcp_flags, parsed.has_timestamps};
  return follow_segment(session, rest, side, segment, segment_bytes, now_us, now_ms, recent);
}

Tracked track(Session& session, SessionRest& rest, unsigned side, const CommonPacket& packet, uint32_t now_us, uint32_t now_ms,
              RecentSegments& recent) {
  const Segment segment = {packet.seq(),    packet.ack(),   packet.payload_bytes(), packet.tsval(),     packet.tsecr(),
                           packet.window(), packet.ip_id(), 0,                      packet.tcp_flags(), true};
  return follow_segment(session, rest, side, segment, 0, now_us, now_ms, recent);
}

const char* name_of(SegmentClass segment_class) {
  switch (segment_class) {
    case SegmentClass::NoData:
      return "no_data";
    case SegmentClass::New:
      return "new";
    case SegmentClass::LostBeyond:
      return "lost_beyond";
    case SegmentClass::LostBefore:
      return "lost_before";
    case SegmentClass::Spurious:
      return "spurious";
    case SegmentClass::Reordered:
      return "reordered";
    case SegmentClass::Duplicate:
      return "duplicate";
    case SegmentClass::KeepAlive:
      return "keep_alive";
    case SegmentClass::WindowProbe:
      return "window_probe";
    case SegmentClass::Count:
      break;
  }
  return "unknown";
}

}  // namespace headgate
