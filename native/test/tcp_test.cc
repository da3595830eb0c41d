#include "core/tcp.h"
#include "core/tcp_steady.h"

#include <map>

#include "support.h"

namespace headgate::test {
namespace {

// One session seen from mid-path; `down` is what the far end sends, `up` what ours sends.
struct Story {
  Session session{};
  SessionRest rest{};
  std::vector<uint8_t> memory = std::vector<uint8_t>(RecentSegments::kBytes);
  RecentSegments recent{memory.data()};
  uint32_t now_us = 5'000'000;

  Tracked segment(unsigned side, uint32_t seq, uint32_t payload, uint32_t ack, uint8_t flags = kTcpAck,
                  uint32_t tsval = 0, uint16_t ip_id = 0, uint16_t window = 1000, uint32_t tsecr = 0) {
    Parsed parsed{};
    parsed.network = 4;
    parsed.has_tcp = true;
    parsed.seq = seq;
    parsed.ack = ack;
    parsed.payload_bytes = payload;
    parsed.ip_bytes = payload + 40;
    parsed.tcp_flags = flags;
    parsed.window = window;
    parsed.ip_id = ip_id;
    parsed.has_timestamps = tsval != 0;
    parsed.tsval = tsval;
    parsed.tsecr = tsecr;
    return track(session, rest, side, parsed, 0, now_us, now_us / 1000, recent);
  }
  SegmentClass data(uint32_t seq, uint32_t payload, uint32_t tsval = 0, uint16_t ip_id = 0) {
    return segment(0, seq, payload, 1, kTcpAck, tsval, ip_id).segment_class;
  }
  Tracked timed(unsigned side, uint32_t seq, uint32_t payload, uint32_t ack, uint32_t tsval, uint32_t tsecr,
                uint8_t flags = kTcpAck) {
    return segment(side, seq, payload, ack, flags, tsval, 0, 1000, tsecr);
  }
  void ack(uint32_t number) { segment(1, 1, 0, number); }
  void wait_ms(uint32_t ms) { now_us += ms * 1000; }
};

}  // namespace

TEST_CASE("the facts that decide of the steady state stand where it looks for them") {
  Session session{};
  session.state = SessionState::Established;
  session.flags[0].is_seeded = session.flags[1].is_seeded = 1;
  session.flags[1].has_fin = 1;
  session.mss_class[0] = session.nearness[1] = 0xff;
  session.reach = session.displaced = 15;
  CHECK(((facts::read(session) ^ facts::kSteady) & facts::kDeciding) == 0);
  const auto is_strange = [&session](auto change) {
    Session other = session;
    change(other);
    return ((facts::read(other) ^ facts::kSteady) & facts::kDeciding) != 0;
  };
  for (unsigned side = 0; side < 2; side++) {
    CHECK(is_strange([side](Session& each) { each.flags[side].is_seeded = 0; }));
    CHECK(is_strange([side](Session& each) { each.flags[side].holes = 4; }));
    CHECK(is_strange([side](Session& each) { each.flags[side].by_sequence = 1; }));
    CHECK(is_strange([side](Session& each) { each.flags[side].probed = 1; }));
    CHECK(is_strange([side](Session& each) { each.flags[side].is_closed_window = 1; }));
  }
  CHECK(is_strange([](Session& each) { each.state = SessionState::Closed; }));
  CHECK(is_strange([](Session& each) { each.state = SessionState::OneSided; }));
  CHECK_FALSE(is_strange([](Session& each) { each.state = SessionState::HalfOpen; }));
}

TEST_CASE("the same bytes again were lost beyond us") {
  Story story;
  story.data(1000, 100);
  story.data(1100, 100);
  story.wait_ms(200);
  CHECK(story.data(1000, 100) == SegmentClass::LostBeyond);
  CHECK(story.data(1200, 100) == SegmentClass::New);
}

TEST_CASE("the same bytes again after their acknowledgement passed are spurious") {
  Story story;
  story.data(1000, 100);
  story.ack(1100);
  story.wait_ms(200);
  CHECK(story.data(1000, 100) == SegmentClass::Spurious);
}

TEST_CASE("a hole filled late was lost before us, a hole filled at once was reordered") {
  Story story;
  story.data(1000, 100);
  story.data(1200, 100);
  story.wait_ms(80);
  CHECK(story.data(1100, 100) == SegmentClass::LostBefore);
  story.data(1400, 100);
  story.wait_ms(1);
  CHECK(story.data(1300, 100) == SegmentClass::Reordered);
}

TEST_CASE("timestamps decide between lost and reordered, whatever the time says") {
  Story story;
  story.data(1000, 100, 10);
  story.data(1200, 100, 50);
  story.wait_ms(500);
  CHECK(story.data(1100, 100, 49) == SegmentClass::Reordered);
  story.data(1400, 100, 60);
  CHECK(story.data(1300, 100, 61) == SegmentClass::LostBefore);
}

TEST_CASE("identifications that count up decide where timestamps tick too slowly") {
  Story story;
  for (uint16_t i = 0; i < 5; i++) story.data(1000 + i * 100u, 100, 10, static_cast<uint16_t>(100 + i));
  story.data(1600, 100, 10, 106);
  CHECK(story.data(1500, 100, 10, 105) == SegmentClass::Reordered);
  story.data(1800, 100, 10, 108);
  CHECK(story.data(1700, 100, 10, 109) == SegmentClass::LostBefore);
}

TEST_CASE("a segment that its retransmission has overtaken was reordered, and is no second retransmission") {
  Story story;
  story.data(1000, 100, 10, 100);
  story.data(1200, 100, 12, 102);
  story.wait_ms(300);
  CHECK(story.data(1100, 100, 310, 103) == SegmentClass::LostBefore);
  story.wait_ms(1);
  CHECK(story.data(1100, 100, 11, 101) == SegmentClass::Reordered);
  // Once more, though behind what was sent a moment later; and what had filled no hole.
  story.data(1300, 100, 700, 110);
  CHECK(story.data(1100, 100, 690, 109) == SegmentClass::LostBeyond);
  CHECK(story.data(1000, 100, 690, 108) == SegmentClass::LostBeyond);
}

TEST_CASE("a copy with the same identification is a duplicate, not a retransmission") {
  Story story;
  story.data(1000, 100, 0, 7);
  story.data(1100, 100, 0, 8);
  CHECK(story.data(1000, 100, 0, 7) == SegmentClass::Duplicate);
  CHECK(story.data(1000, 100, 0, 9) == SegmentClass::LostBeyond);
}

TEST_CASE("keep-alives and window probes are not retransmissions") {
  Story story;
  story.data(1000, 100);
  story.ack(1100);
  story.wait_ms(1000);
  CHECK(story.data(1099, 0) == SegmentClass::KeepAlive);
  CHECK(story.data(1099, 1) == SegmentClass::KeepAlive);
  story.segment(1, 1, 0, 1100, kTcpAck, 0, 0, 0);
  CHECK(story.data(1100, 1) == SegmentClass::WindowProbe);
  CHECK(story.data(1100, 1) == SegmentClass::WindowProbe);
  CHECK(story.data(1100, 100) == SegmentClass::New);
}

TEST_CASE("a last byte that is not acknowledged is retransmitted, not kept alive") {
  Story story;
  story.data(1000, 1);
  story.wait_ms(300);
  CHECK(story.data(1000, 1) == SegmentClass::LostBeyond);
}

TEST_CASE("SYN, SYN-ACK and FIN again are retransmissions; a new SYN is a new session") {
  Story story;
  story.segment(0, 100, 0, 0, kTcpSyn);
  story.wait_ms(1000);
  CHECK(story.segment(0, 100, 0, 0, kTcpSyn).segment_class == SegmentClass::LostBeyond);
  story.segment(1, 500, 0, 101, kTcpSyn | kTcpAck);
  story.wait_ms(1000);
  CHECK(story.segment(1, 500, 0, 101, kTcpSyn | kTcpAck).segment_class == SegmentClass::LostBeyond);
  story.segment(0, 101, 0, 501, kTcpAck);
  CHECK(story.session.state == SessionState::Established);
  story.segment(0, 101, 0, 501, kTcpFin | kTcpAck);
  story.wait_ms(300);
  CHECK(story.segment(0, 101, 0, 501, kTcpFin | kTcpAck).segment_class == SegmentClass::LostBeyond);
  story.segment(1, 501, 0, 102, kTcpFin | kTcpAck);
  CHECK(story.session.state == SessionState::Closed);
  CHECK(story.segment(0, 90'000, 0, 0, kTcpSyn).segment_class == SegmentClass::New);
}

TEST_CASE("a SYN-ACK that two clocks repeat in one tick was sent twice; the first one's copy was not") {
  constexpr uint8_t syn_ack = kTcpSyn | kTcpAck;
  Story story;
  story.segment(0, 100, 0, 0, kTcpSyn, 10, 1);
  CHECK(story.segment(1, 500, 0, 101, syn_ack, 70).segment_class == SegmentClass::New);
  CHECK(story.segment(1, 500, 0, 101, syn_ack, 70).segment_class == SegmentClass::Duplicate);
  story.wait_ms(1000);
  CHECK(story.segment(1, 500, 0, 101, syn_ack, 1070).segment_class == SegmentClass::LostBeyond);
  CHECK(story.segment(0, 100, 0, 0, kTcpSyn, 1010, 2).segment_class == SegmentClass::Spurious);
  CHECK(story.segment(1, 500, 0, 101, syn_ack, 1070).segment_class == SegmentClass::LostBeyond);
  story.segment(0, 101, 0, 501, kTcpAck, 1012, 3);
  CHECK(story.segment(1, 500, 0, 101, syn_ack, 1070).segment_class == SegmentClass::Spurious);
}

TEST_CASE("a segment that repeats and goes on counts both parts") {
  Story story;
  story.data(1000, 100);
  story.wait_ms(300);
  const Tracked tracked = story.segment(0, 1050, 100, 1);
  CHECK(tracked.segment_class == SegmentClass::LostBeyond);
  CHECK(tracked.old_bytes == 50);
  CHECK(tracked.new_bytes == 50);
}

TEST_CASE("a super-packet counts as the segments it becomes") {
  Story story;
  Parsed parsed{};
  parsed.network = 6;
  parsed.has_tcp = true;
  parsed.tcp_flags = kTcpAck;
  parsed.payload_bytes = 400'000;
  parsed.ip_bytes = 400'060;
  CHECK(track(story.session, story.rest, 0, parsed, 1440, 0, 0, story.recent).segments == 278);
  parsed.seq = 400'000;
  // Without the size of a segment, by the MSS that the other end announced.
  for (const uint16_t mss : {1000, 1460, 1300}) {
    Story other;
    Parsed answer{};
    answer.network = 6;
    answer.has_tcp = true;
    answer.tcp_flags = kTcpSyn | kTcpAck;
    answer.mss = mss;
    track(other.session, other.rest, 1, answer, 0, 0, 0, other.recent);
    CHECK(track(other.session, other.rest, 0, parsed, 0, 0, 0, other.recent).segments == (400'000u + mss - 1) / mss);
  }
}

TEST_CASE("the handshake gives a round trip to each side") {
  Story story;
  story.segment(0, 100, 0, 0, kTcpSyn);
  story.wait_ms(30);
  const Tracked answer = story.segment(1, 500, 0, 101, kTcpSyn | kTcpAck);
  CHECK(answer.has_rtt);
  CHECK(answer.rtt_us == 30'000);
  story.wait_ms(5);
  const Tracked third = story.segment(0, 101, 0, 501);
  CHECK(third.has_rtt);
  CHECK(third.rtt_us == 5'000);
}

TEST_CASE("no round trip from a segment that was sent twice (Karn)") {
  Story story;
  story.ack(1);
  story.data(1000, 100);
  story.wait_ms(200);
  story.data(1000, 100);
  story.wait_ms(10);
  CHECK_FALSE(story.segment(1, 1, 0, 1100).has_rtt);
}

TEST_CASE("each request is a round trip, though an acknowledgement before it was never answered") {
  Story story;
  uint32_t at = 1000, back = 1;
  for (unsigned i = 0; i < 5; i++) {
    const uint32_t tick = 10 + i * 100;
    story.timed(0, at, 50, back, tick, tick - 60);
    story.wait_ms(20);
    const Tracked response = story.timed(1, back, 400, at + 50, tick + 20, tick);
    CHECK(response.has_rtt);
    CHECK(response.rtt_us == 20'000);
    at += 50, back += 400;
    story.wait_ms(3);
    story.timed(0, at, 0, back, tick + 23, tick + 20);
    story.wait_ms(77);
  }
  // So is the end, which is answered for its own sake.
  story.timed(0, at, 0, back, 600, 430, kTcpAck | kTcpFin);
  story.wait_ms(20);
  CHECK(story.timed(1, back, 0, at + 1, 620, 600).rtt_us == 20'000);
}

TEST_CASE("what begins a round trip is kept: data by all, an acknowledgement by others and by data of its own tick") {
  Story story;
  story.timed(1, 1, 1000, 500, 50, 1);
  story.timed(0, 500, 0, 1001, 100, 50);
  story.wait_ms(4);
  story.timed(0, 500, 0, 1001, 104, 50);
  story.wait_ms(1);
  story.timed(0, 500, 80, 1001, 104, 50);
  story.wait_ms(5);
  const Tracked more = story.timed(1, 1001, 1000, 580, 60, 100);
  CHECK(more.rtt_us == 10'000);
  // Data, then an acknowledgement and more data before the answer to the first.
  story.timed(0, 580, 80, 2001, 200, 60);
  story.wait_ms(7);
  story.timed(0, 660, 0, 2001, 207, 60);
  story.timed(0, 660, 80, 2001, 208, 60);
  story.wait_ms(7);
  CHECK(story.timed(1, 2001, 0, 740, 74, 200).rtt_us == 14'000);
}

TEST_CASE("a round trip is as long as it took, whenever it began") {
  for (const uint32_t began_us : {1u, 2u, 7u, 0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xffffffffu}) {
    for (const uint32_t payload : {0u, 100u}) {
      Story story;
      story.now_us = began_us;
      story.timed(0, 500, payload, 1, 100, 50);
      story.now_us += 12'345;
      const Tracked answer = story.timed(1, 1, 10, 500 + payload, 60, 100);
      INFO("began at ", began_us, " with ", payload, " bytes");
      CHECK(answer.rtt_us == (answer.has_rtt ? 12'345 : 0));
      CHECK(answer.has_rtt == (payload != 0 || began_us != 0x80000000u));
    }
  }
}

TEST_CASE("a jump of half the sequence space is no loss") {
  Story story;
  story.data(1000, 100);
  const Tracked tracked = story.segment(0, 0x90000000, 100, 1);
  CHECK(tracked.is_resync);
  CHECK(tracked.segment_class == SegmentClass::New);
}

TEST_CASE("of a session that is half seen, two gigabytes later a retransmission is still one") {
  Story story;
  uint32_t seq = 1000;
  for (unsigned i = 0; i < 5000; i++, seq += 600'000) REQUIRE(story.data(seq, 600'000) == SegmentClass::New);
  story.data(seq + 1000, 500);
  story.wait_ms(300);
  CHECK(story.data(seq - 600'000, 600'000) == SegmentClass::LostBeyond);
  CHECK(story.data(seq, 1000) == SegmentClass::LostBefore);
}

// The slow, obvious model: it remembers every byte. Sequence numbers start anywhere, so they wrap.
TEST_CASE("the tracker agrees with a model that remembers every byte") {
  INFO("seed ", seed());
  Random random(20);
  const unsigned rounds = is_long() ? 5000 : 300;
  for (unsigned round = 0; round < rounds; round++) {
    const uint32_t base = static_cast<uint32_t>(random.next());
    constexpr uint32_t size = 4000;
    std::vector<bool> seen(size);
    std::map<uint32_t, uint32_t> skipped_at;  // byte -> TSval of the segment that skipped it
    std::map<uint32_t, uint32_t> filled;      // where a retransmission filled a hole -> its TSval
    uint32_t next = 0, acked = 0, tsval = 1000;
    Story story;
    story.data(base, 1, tsval);
    seen[0] = true;
    next = 1;
    for (unsigned step = 0; step < 300 && next < size - 200; step++) {
      tsval += 1 + random.below(5);
      story.wait_ms(1 + random.below(20));
      unsigned holes = 0;
      for (uint32_t i = 1; i < next; i++) holes += !seen[i] && seen[i - 1];
      const uint32_t length = 1 + random.below(60);
      uint32_t start = next, sent = tsval;
      const uint32_t kind = random.below(10);
      // No more holes at a time than the tracker keeps: beyond that it approximates.
      if (kind < 2 && holes < kHoles - 1) start = next + 1 + random.below(40);
      if (kind >= 5) start = random.below(next);
      if (kind >= 8 && next > 60) sent = tsval - random.below(30);
      if (start + length <= next && length == 1 && start + 1 == next) continue;  // a keep-alive's shape
      const uint32_t old_end = std::min(next, start + length);
      SegmentClass expected = SegmentClass::New;
      if (start < next) {
        uint32_t hole = start;
        while (hole < old_end && seen[hole]) hole++;
        if (hole < old_end) {
          expected = sent < skipped_at[hole] ? SegmentClass::Reordered : SegmentClass::LostBefore;
          // A split beyond what the tracker keeps.
          if (holes >= kHoles - 1) break;
          if (sent == skipped_at[hole]) continue;
        } else if (filled.contains(start) && sent < filled[start]) {
          expected = SegmentClass::Reordered;
        } else {
          expected = old_end <= acked ? SegmentClass::Spurious : SegmentClass::LostBeyond;
        }
      }
      const SegmentClass got = story.data(base + start, length, sent);
      // Two segments alike within a few are taken for copies: that is right, and not this test's matter.
      if (got == SegmentClass::Duplicate) break;
      REQUIRE(name_of(got) == std::string(name_of(expected)));
      if (expected == SegmentClass::LostBefore) filled[start] = sent;
      for (uint32_t i = next; i < start; i++) skipped_at[i] = sent;
      for (uint32_t i = start; i < start + length; i++) seen[i] = true;
      next = std::max(next, start + length);
      if (random.one_in(4)) {
        uint32_t whole = 0;
        while (whole < next && seen[whole]) whole++;
        acked = std::max(acked, whole);
        story.ack(base + acked);
      }
    }
  }
}

}  // namespace headgate::test
