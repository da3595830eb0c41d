#include "tcp.h"

#include "tcp_steady.h"

// Left to itself the compiler calls what every segment needs and lays losses out in its way.
#define HG_HOT __attribute__((always_inline)) inline
#define HG_RARE __attribute__((noinline, cold))

namespace headgate {
namespace {

// Without timestamps and identifications, a segment that fills a hole sooner than this was reordered: a
// retransmission takes a whole round trip at least. Bounds for paths whose round trip is not known.
uint32_t reordering_us(const Session& session) {
  const uint32_t rtt_us = (session.rtt_min[0] + session.rtt_min[1]) * kRttUnitUs;
  const uint32_t most = rtt_us / 4 * 3;
  return most < 3'000 ? 3'000 : most > 50'000 ? 50'000 : most;
}

void remove_hole(Side& own, Hole* holes, unsigned index) {
  for (unsigned i = index + 1; i < own.flags.holes; i++) holes[i - 1] = holes[i];
  own.flags.holes = (own.flags.holes - 1) & 7;
}

// Holes stay in sequence order. When all are taken, the two with the least between them become one: then
// a segment in either is still judged by its age, and only bytes between them could be misjudged.
HG_RARE void add_hole(Side& own, Hole* holes, const Hole& hole) {
  // What lies further back than the space can tell apart would come out ahead.
  while (own.flags.holes > 0 && (hole.end - holes[0].start) > static_cast<uint32_t>(kJumpMax)) remove_hole(own, holes, 0);
  if (own.flags.holes == kHoles) {
    unsigned best = 0;
    for (unsigned i = 1; i + 1 < kHoles; i++) {
      if (ahead(holes[i + 1].start, holes[i].end) < ahead(holes[best + 1].start, holes[best].end)) best = i;
    }
    const uint32_t start = holes[best].start;
    remove_hole(own, holes, best);
    holes[best].start = start;
  }
  holes[own.flags.holes] = hole;
  own.flags.holes = (own.flags.holes + 1) & 7;
}

// Takes [start, end) out of the holes. True, and the first hole as it was, when they overlapped.
bool fill_holes(Side& own, Hole* holes, uint32_t start, uint32_t end, Hole& first) {
  bool filled = false;
  for (unsigned i = 0; i < own.flags.holes;) {
    Hole& hole = holes[i];
    if (ahead(start, hole.end) >= 0 || ahead(end, hole.start) <= 0) {
      i++;
      continue;
    }
    if (!filled) first = hole;
    filled = true;
    const bool keeps_head = ahead(start, hole.start) > 0, keeps_tail = ahead(hole.end, end) > 0;
    if (keeps_head && keeps_tail) {
      if (own.flags.holes < kHoles) {
        for (unsigned j = own.flags.holes; j > i; j--) holes[j] = holes[j - 1];
        own.flags.holes = (own.flags.holes + 1) & 7;
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

void drop_holes_below(Side& own, Hole* holes, uint32_t ack) {
  while (own.flags.holes > 0 && ahead(ack, holes[0].end) >= 0) remove_hole(own, holes, 0);
  if (own.flags.holes > 0 && ahead(ack, holes[0].start) > 0) holes[0].start = ack;
}

uint64_t fingerprint(const Session& session, const Parsed& parsed) {
  return fingerprint_of(session.hash, parsed.seq, parsed.ack, parsed.payload_bytes, parsed.tsval, parsed.ip_id);
}

bool is_recognizable(const Parsed& parsed) { return parsed.ip_id != 0 || parsed.has_timestamps; }

bool is_copy(const Session& session, const SessionRest& rest, unsigned side, const Parsed& parsed, bool tsval_is_new, uint32_t now_ms,
             const RecentSegments& recent) {
  const Side& own = session.side[side];
  // Newer than all that was sent: no copy of any of it, whatever a fingerprint says.
  if (tsval_is_new) return false;
  if (own.flags.id_steps >= 3 && parsed.ip_id != 0 && static_cast<int16_t>(parsed.ip_id - own.ip_id) > 0) return false;
  const uint64_t print = fingerprint(session, parsed);
  if (is_recognizable(parsed)) return recent.has(print);
  // Nothing but its time tells a copy from a retransmission.
  return rest.print[side] == static_cast<uint16_t>(print >> 48) && now_ms - session.last_seen_ms <= 1;
}

HG_HOT void remember(const Session& session, SessionRest& rest, unsigned side, const Parsed& parsed, RecentSegments& recent) {
  const uint64_t print = fingerprint(session, parsed);
  if (is_recognizable(parsed)) return recent.remember(print);
  rest.print[side] = static_cast<uint16_t>(print >> 48);
}

// Whether a segment that fills `hole` was sent before the one that left it.
bool was_sent_before(const Session& session, const Side& own, const Hole& hole, const Parsed& parsed,
                     uint32_t now_us) {
  if (own.flags.id_steps >= 3 && parsed.ip_id != 0 && hole.ip_id != 0)
    return static_cast<int16_t>(parsed.ip_id - hole.ip_id) < 0;
  if (parsed.has_timestamps) {
    const int16_t newer = static_cast<int16_t>(static_cast<uint16_t>(parsed.tsval) - hole.tsval);
    if (newer != 0) return newer < 0;
  }
  return now_us - hole.time_us < reordering_us(session);
}

// Where no acknowledgement is seen, or none comes, what was acknowledged and the holes stay behind: they are
// drawn along before the distance passes what signed differences can tell.
HG_HOT void follow_far(Session& session, SessionRest& rest, unsigned side) {
  const uint32_t far = session.next[side] - static_cast<uint32_t>(kJumpMax);
  if (session.next[side] - session.acked[side] > static_cast<uint32_t>(kJumpMax)) session.acked[side] = far;
  if (session.side[side].flags.holes != 0 && session.next[side] - rest.hole[side][0].start > static_cast<uint32_t>(kJumpMax))
    drop_holes_below(session.side[side], rest.hole[side], far);
}

HG_RARE SegmentClass classify_old(Session& session, SessionRest& rest, unsigned side, const Parsed& parsed, uint32_t end, bool tsval_is_new,
                          uint32_t now_us, uint32_t now_ms, const RecentSegments& recent) {
  Side& own = session.side[side];
  if (is_copy(session, rest, side, parsed, tsval_is_new, now_ms, recent)) return SegmentClass::Duplicate;
  Hole hole;
  if (fill_holes(own, rest.hole[side], parsed.seq, end, hole)) {
    return was_sent_before(session, own, hole, parsed, now_us) ? SegmentClass::Reordered
                                                                : SegmentClass::LostBefore;
  }
  return ahead(end, session.acked[side]) <= 0 ? SegmentClass::Spurious : SegmentClass::LostBeyond;
}

HG_RARE uint16_t mss_of(const Session& session, const SessionRest& rest, unsigned side) {
  const unsigned mss_class = session.side[side].flags.mss_class;
  return mss_class >= kMssLarge ? rest.mss[side] : kMssClasses[mss_class].mss;
}

HG_HOT uint32_t segments_in(uint32_t bytes, const Session& session, const SessionRest& rest, unsigned side,
                            const Parsed& parsed, uint32_t segment_bytes) {
  if (bytes == 0) return 0;
  if (segment_bytes == 0) {
    const uint16_t mss = mss_of(session, rest, side);
    // Offload that left no trace but its size.
    const uint32_t options = parsed.has_timestamps ? 12u : 0u;
    if (parsed.payload_bytes <= segment_limit(mss, options)) return 1;
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
  session.side[side].flags.mss_class = mss_class & 7;
}

HG_RARE void restart(Session& session) {
  session.next[0] = session.next[1] = session.acked[0] = session.acked[1] = 0;
  session.side[0] = session.side[1] = Side{};
  session.rtt_min[0] = session.rtt_min[1] = 0;
  session.state = SessionState::HalfOpen;
}

HG_HOT void begin_sample(Side& own, const Parsed& parsed, bool tsval_is_new, uint32_t end, uint32_t now_us) {
  if (own.flags.sample != 0 && now_us - own.sample_us < kSampleMaxUs) return;
  if (parsed.has_timestamps && parsed.tsval != 0) {
    // Only the first segment of a tick: the echo of a tick cannot tell which of its segments it answers.
    // Pure acknowledgements count too: of a download they are all that tells how far the sender is.
    if (!tsval_is_new) return;
    own.flags.sample = static_cast<uint8_t>(Sample::Timestamp) & 3;
    own.sample_key = parsed.tsval;
  } else {
    if (end == parsed.seq) return;
    own.flags.sample = static_cast<uint8_t>(Sample::Sequence) & 3;
    own.sample_key = end;
  }
  own.sample_us = now_us;
}

// Ends the other side's sample by this packet's acknowledgement or echo.
HG_HOT void end_sample(Side& other, uint8_t& rtt_min, const Parsed& parsed, uint32_t now_us, Tracked& result) {
  int32_t beyond;
  if (other.flags.sample == static_cast<uint8_t>(Sample::Timestamp)) {
    if (!parsed.has_timestamps) return;
    beyond = ahead(parsed.tsecr, other.sample_key);
    if (beyond < 0) return;
    // The tick was skipped by a delayed acknowledgement: its time is not known.
    if (beyond > 0) {
      other.flags.sample = 0;
      return;
    }
  } else {
    beyond = ahead(parsed.ack, other.sample_key);
    if (beyond < 0) return;
  }
  other.flags.sample = 0;
  const uint32_t rtt_us = now_us - other.sample_us;
  if (rtt_us >= kSampleMaxUs) return;
  result.has_rtt = true;
  result.rtt_us = rtt_us;
  const uint32_t units = rtt_units(rtt_us);
  if (rtt_min == 0 || units < rtt_min) rtt_min = static_cast<uint8_t>(units);
}

HG_HOT void follow_ack(Session& session, SessionRest& rest, unsigned side, const Parsed& parsed, uint32_t now_us, Tracked& result) {
  const unsigned peer = side ^ 1;
  Side& other = session.side[peer];
  if (other.flags.sample != 0) end_sample(other, session.rtt_min[peer], parsed, now_us, result);
  if (!other.flags.is_seeded) return;
  if (other.flags.probed && parsed.ack == session.next[peer] + 1) {
    // The probe's byte was taken after all.
    session.next[peer] = parsed.ack;
    other.flags.probed = 0;
  }
  if (ahead(parsed.ack, session.acked[peer]) > 0 && ahead(parsed.ack, session.next[peer]) <= 0) {
    session.acked[peer] = parsed.ack;
    if (other.flags.holes != 0) drop_holes_below(other, rest.hole[peer], parsed.ack);
  }
}

HG_HOT void follow_state(Session& session, unsigned side, const Parsed& parsed) {
  Side& own = session.side[side];
  constexpr uint8_t changing = kTcpSyn | kTcpFin | kTcpRst;
  if (session.state == SessionState::Established && !(parsed.tcp_flags & changing)) {
    own.flags.is_closed_window = parsed.window == 0;
    return;
  }
  own.flags.is_closed_window = parsed.window == 0 && !(parsed.tcp_flags & (kTcpSyn | kTcpFin | kTcpRst));
  if (parsed.tcp_flags & kTcpFin) own.flags.has_fin = 1;
  if ((parsed.tcp_flags & kTcpRst) || (own.flags.has_fin && session.side[side ^ 1].flags.has_fin)) {
    session.state = SessionState::Closed;
  } else if (session.state == SessionState::Established || session.state == SessionState::Closed) {
    return;
  } else if (session.side[side ^ 1].flags.is_seeded) {
    // A handshake counts when its third segment is there, so that a scanned host's answers hold no slot.
    const bool in_handshake = (parsed.tcp_flags & kTcpSyn) != 0;
    session.state = in_handshake ? SessionState::HalfOpen : SessionState::Established;
  } else {
    session.state = (parsed.tcp_flags & kTcpSyn) ? SessionState::HalfOpen : SessionState::OneSided;
  }
}

}  // namespace

Tracked track(Session& session, SessionRest& rest, unsigned side, const Parsed& parsed, uint32_t segment_bytes, uint32_t now_us,
              uint32_t now_ms, RecentSegments& recent) {
  Tracked result{};
  const bool is_syn = (parsed.tcp_flags & kTcpSyn) != 0;
  const bool is_fin = (parsed.tcp_flags & kTcpFin) != 0;
  const uint32_t end = parsed.seq + parsed.payload_bytes + (is_syn ? 1 : 0) + (is_fin ? 1 : 0);

  // A port that is used again: a new initial sequence number, or any SYN after the end.
  if (is_syn && session.side[side].flags.is_seeded) {
    const int32_t behind = ahead(session.next[side], parsed.seq + 1);
    if (session.state == SessionState::Closed || behind < 0 || behind > (1 << 20)) restart(session);
  }
  Side& own = session.side[side];
  if (parsed.mss != 0) learn_mss(session, rest, side ^ 1, parsed.mss);
  if (parsed.tcp_flags & kTcpAck) follow_ack(session, rest, side, parsed, now_us, result);
  if (parsed.tcp_flags & kTcpRst) {
    follow_state(session, side, parsed);
    session.last_seen_ms = now_ms;
    return result;
  }

  bool tsval_is_new = false;
  if (parsed.has_timestamps && (!own.flags.is_seeded || ahead(parsed.tsval, own.tsval) > 0)) {
    own.tsval = parsed.tsval;
    tsval_is_new = true;
  }
  result.segments = segments_in(parsed.payload_bytes, session, rest, side, parsed, segment_bytes);

  const int32_t skipped = ahead(parsed.seq, session.next[side]);
  if (!own.flags.is_seeded || skipped > kJumpMax || skipped < -kJumpMax) {
    result.is_resync = own.flags.is_seeded;
    own.flags.is_seeded = 1;
    own.flags.holes = 0;
    own.flags.sample = 0;
    session.next[side] = end;
    session.acked[side] = parsed.seq;
    begin_sample(own, parsed, tsval_is_new, end, now_us);
    if (end != parsed.seq) {
      result.segment_class = SegmentClass::New;
      result.new_bytes = parsed.payload_bytes;
      remember(session, rest, side, parsed, recent);
    }
  } else if (skipped < 0 && parsed.payload_bytes <= 1 && skipped == -1 && !is_syn && !is_fin &&
             !own.flags.has_fin &&
             (parsed.payload_bytes == 0 || ahead(session.acked[side], parsed.seq) > 0)) {
    // A lone last byte that is not acknowledged yet is a retransmission, not a keep-alive.
    result.segment_class = SegmentClass::KeepAlive;
  } else if (skipped == 0 && parsed.payload_bytes == 1 && session.side[side ^ 1].flags.is_closed_window && !is_fin) {
    result.segment_class = SegmentClass::WindowProbe;
    own.flags.probed = 1;
  } else if (skipped >= 0) {
    if (skipped > 0) {
      add_hole(own, rest.hole[side],
               {session.next[side], parsed.seq, now_us, static_cast<uint16_t>(parsed.tsval), parsed.ip_id});
    }
    session.next[side] = end;
    follow_far(session, rest, side);
    begin_sample(own, parsed, tsval_is_new, end, now_us);
    if (end != parsed.seq) {
      result.segment_class = SegmentClass::New;
      result.new_bytes = parsed.payload_bytes;
      remember(session, rest, side, parsed, recent);
    }
  } else if (end != parsed.seq) {
    const int32_t tail = ahead(end, session.next[side]);
    const uint32_t new_part = tail > 0 ? static_cast<uint32_t>(tail) : 0;
    result.segment_class =
        classify_old(session, rest, side, parsed, tail > 0 ? session.next[side] : end, tsval_is_new, now_us, now_ms, recent);
    result.new_bytes = new_part < parsed.payload_bytes ? new_part : parsed.payload_bytes;
    result.old_bytes = parsed.payload_bytes - result.new_bytes;
    result.old_segments = segments_in(result.old_bytes, session, rest, side, parsed, segment_bytes);
    if (result.old_segments == 0) result.old_segments = 1;  // a SYN or FIN alone
    if (tail > 0) {
      session.next[side] = end;
      follow_far(session, rest, side);
    }
    if (is_retransmission(result.segment_class)) {
      // Karn: which copy an acknowledgement answers is not known (RFC 6298 section 3).
      if (own.flags.sample == static_cast<uint8_t>(Sample::Sequence) && ahead(parsed.seq, own.sample_key) < 0)
        own.flags.sample = 0;
    }
    if (result.segment_class != SegmentClass::Duplicate) remember(session, rest, side, parsed, recent);
  }
  uint32_t flags = side_flags::word(own.flags);
  own.ip_id = follow_id(own.ip_id, parsed.ip_id, flags);
  own.flags = side_flags::of(flags);
  follow_state(session, side, parsed);
  session.last_seen_ms = now_ms;
  return result;
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
