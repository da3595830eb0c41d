#include "core/mark.h"

#include <map>

#include "core/byte_order.h"
#include "core/exceptions.h"
#include "core/tuple_lanes.h"
#include "support.h"

namespace headgate::test {
namespace {

constexpr uint32_t kOurs = 0x0a000000;
constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kChange = 1000 * kSecond;

// Links 0 to 3 are DSCP 10 to 13; one way of 1024 buckets for everything.
struct Marking {
  Tables tables;
  Marks next;
  Owned owned;

  static PipelineSettings settings() {
    PipelineSettings settings;
    settings.links = 4;
    settings.session_slots = 1 << 16;
    return settings;
  }
  Marking() : owned(settings()) {
    hg_mark_table& table = tables.marks.table;
    table.enabled = 1;
    table.otherwise = HG_LINKS_MAX;
    table.ways = 1;
    table.tables = 7;
    for (unsigned link = 0; link < 4; link++) table.marks[link].dscp = static_cast<uint8_t>(10 + link);
    table.reserved_dscp = 0xfull << 10;
    // Half, a quarter, an eighth and an eighth.
    for (unsigned i = 0; i < HG_BUCKETS; i++)
      tables.marks.buckets.push_back({static_cast<uint8_t>(i % 8 < 4 ? 0 : i % 8 < 6 ? 1 : i % 8 - 4), HG_LINK_UNKNOWN});
    tables.wires[0].may_mark = true;
    owned.pipeline.publish(&tables);
    next = tables.marks;
  }

  // A change of the marks alone: each bucket `from` goes to the link that `to` says.
  template <typename To>
  void change(uint8_t from, To to, uint64_t now_ns) {
    next.generation++;
    for (unsigned i = 0; i < HG_BUCKETS; i++) {
      hg_bucket& bucket = next.buckets[i];
      if (bucket.now == from && to(i) != from)
        bucket = {static_cast<uint8_t>(to(i)), from};
      else if (bucket.before != HG_LINK_UNKNOWN && now_ns - next.table.since_ns[0] >= HG_KEEP_TCP_NS)
        bucket.before = HG_LINK_WRITTEN;
    }
    next.table.since_ns[0] = now_ns;
    owned.pipeline.publish(&next);
  }

  // The link that the packet's mark says; 0xff: it has none.
  uint8_t link_of(Frame& frame, uint64_t now_ns) {
    frame.packet.time_ns = now_ns;
    frame.packet.direction = Direction::Outbound;
    frame.packet.data[15] = 3;
    owned.pipeline.process(&frame.packet, 1);
    CHECK((frame.packet.data[15] & 3) == 3);
    const unsigned dscp = frame.packet.data[15] >> 2;
    return dscp == 0 ? 0xff : static_cast<uint8_t>(dscp - 10);
  }
  uint8_t tcp(uint32_t session, uint8_t flags, uint64_t now_ns) {
    TcpShape shape;
    shape.source = kOurs + session % 251;
    shape.source_port = static_cast<uint16_t>(1024 + session / 251);
    shape.destination = 0xc6336400 + session % 13;
    shape.flags = flags;
    Frame frame(ethernet(ipv4_tcp(shape)), 1);
    return link_of(frame, now_ns);
  }
  // `payload` begins behind the UDP header.
  uint8_t udp(uint32_t session, const std::vector<uint8_t>& payload, uint64_t now_ns, uint16_t port = 443) {
    TcpShape shape;
    shape.source = kOurs + session % 251;
    shape.source_port = static_cast<uint16_t>(1024 + session / 251);
    shape.destination_port = port;
    Frame frame(ethernet(ipv4_tcp(shape)), 1);
    frame.packet.data[23] = kProtocolUdp;
    store_be16(frame.packet.data + 38, 20);
    std::copy(payload.begin(), payload.end(), frame.packet.data + 42);
    return link_of(frame, now_ns);
  }
  const PipelineCounts& counts() const { return owned.pipeline.counts(); }
};

constexpr unsigned kSessions = 8000;

}  // namespace

TEST_CASE("four tuples at a time have the hashes that each has alone") {
  INFO("seed ", seed());
  Random random(12);
  for (unsigned round = 0; round < 1000; round++) {
    const uint32_t key[2] = {static_cast<uint32_t>(random.next()), static_cast<uint32_t>(random.next())};
    uint8_t bytes[4][CommonPacket::kHeaders];
    const uint8_t* packet[4];
    uint32_t hash[4];
    for (unsigned lane = 0; lane < 4; lane++) {
      for (auto& byte : bytes[lane]) byte = static_cast<uint8_t>(random.next());
      packet[lane] = bytes[lane];
    }
    tuple_hash_lanes(key, packet, hash);
    for (unsigned lane = 0; lane < 4; lane++) {
      const uint32_t source = load<uint32_t>(bytes[lane] + 26), destination = load<uint32_t>(bytes[lane] + 30);
      CHECK(hash[lane] == hg_tuple_hash(key, &source, &destination, 1, load<uint32_t>(bytes[lane] + 34), kProtocolTcp));
    }
  }
}

TEST_CASE("sessions spread over the links by their weights, within four standard deviations") {
  Marking marking;
  std::map<uint8_t, unsigned> seen;
  for (unsigned i = 0; i < kSessions; i++) seen[marking.tcp(i, kTcpSyn, kSecond)]++;
  const double shares[] = {0.5, 0.25, 0.125, 0.125};
  for (uint8_t link = 0; link < 4; link++) {
    const double expected = shares[link] * kSessions;
    CHECK(seen[link] == doctest::Approx(expected).epsilon(4 * std::sqrt(expected * (1 - shares[link])) / expected));
    CHECK(marking.counts().sessions_marked[link] == seen[link]);
  }
  CHECK(marking.counts().exceptions == 0);
}

TEST_CASE("sessions keep their links over a change of weights, new ones follow it") {
  Marking marking;
  std::vector<uint8_t> before;
  for (unsigned i = 0; i < kSessions; i++) before.push_back(marking.tcp(i, kTcpSyn, kChange - kSecond));
  // Half of what link 0 has goes to link 3.
  marking.change(0, [](unsigned bucket) { return bucket % 8 < 2 ? 3 : 0; }, kChange);
  unsigned news = 0, moved = 0;
  for (unsigned i = 0; i < kSessions; i++) REQUIRE(marking.tcp(i, kTcpAck, kChange + i) == before[i]);
  for (unsigned i = kSessions; i < kSessions + 2000; i++) {
    const uint8_t link = marking.tcp(i, kTcpSyn, kChange + kSecond);
    // What began so stays so, also when it goes on.
    REQUIRE(marking.tcp(i, kTcpAck, kChange + 2 * kSecond) == link);
    news++;
    moved += link == 3;
  }
  // Three eighths of all: 4 standard deviations.
  CHECK(moved == doctest::Approx(news * 0.375).epsilon(0.12));
  // Long after: the old ones are exceptions now, whoever is not goes by the tables.
  for (unsigned i = 0; i < kSessions; i++) REQUIRE(marking.tcp(i, kTcpAck, kChange + 1000 * kSecond) == before[i]);
  const uint64_t kept = marking.counts().sessions_kept;
  CHECK(kept > kSessions / 5);
  // A second change of other buckets leaves them alone, and one of the same buckets too.
  marking.change(1, [](unsigned) { return 2; }, kChange + 1001 * kSecond);
  marking.change(3, [](unsigned) { return 1; }, kChange + 1002 * kSecond);
  for (unsigned i = 0; i < kSessions; i++) REQUIRE(marking.tcp(i, kTcpAck, kChange + 1003 * kSecond) == before[i]);
  CHECK(marking.counts().exceptions_lost == 0);
}

TEST_CASE("when a link goes down its sessions get another at once, and no others") {
  Marking marking;
  std::vector<uint8_t> before;
  for (unsigned i = 0; i < kSessions; i++) before.push_back(marking.tcp(i, kTcpSyn, kChange - kSecond));
  marking.next.table.down = 1u << 1;
  marking.change(1, [](unsigned bucket) { return bucket % 16 < 8 ? 2 : 3; }, kChange);
  unsigned moved = 0;
  std::vector<uint8_t> after;
  for (unsigned i = 0; i < kSessions; i++) {
    after.push_back(marking.tcp(i, kTcpAck, kChange + 1));
    if (before[i] == 1) {
      REQUIRE((after[i] == 2 || after[i] == 3));
      moved++;
    } else {
      REQUIRE(after[i] == before[i]);
    }
  }
  CHECK(marking.counts().sessions_remarked == moved);
  // It comes back: who went stays away, new sessions use it again.
  marking.next.table.down = 0;
  marking.next.generation++;
  for (unsigned i = 0; i < HG_BUCKETS; i++)
    if (marking.tables.marks.buckets[i].now == 1) marking.next.buckets[i] = {1, marking.next.buckets[i].now};
  marking.next.table.since_ns[0] = kChange + 10 * kSecond;
  marking.owned.pipeline.publish(&marking.next);
  unsigned returned = 0;
  for (unsigned i = 0; i < kSessions; i++) {
    REQUIRE(marking.tcp(i, kTcpAck, kChange + 11 * kSecond) == after[i]);
    returned += marking.tcp(kSessions + i, kTcpSyn, kChange + 11 * kSecond) == 1;
  }
  CHECK(returned > kSessions / 5);
}

TEST_CASE("a link that is down takes nothing, also where no bucket has been changed yet") {
  Marking marking;
  marking.next.table.down = 1;
  marking.next.generation++;
  marking.owned.pipeline.publish(&marking.next);
  for (unsigned i = 0; i < 200; i++) REQUIRE(marking.tcp(i, kTcpAck, kSecond) != 0);
}

TEST_CASE("marks are in force only for the tables that they name") {
  Marking marking;
  for (hg_bucket& bucket : marking.next.buckets) bucket.now = 2;
  marking.next.table.tables = 8;
  marking.owned.pipeline.publish(&marking.next);
  unsigned others = 0;
  for (unsigned i = 0; i < 200; i++) others += marking.tcp(i, kTcpAck, kSecond) != 2;
  CHECK(others > 0);
  Marks right = marking.next;
  right.table.tables = 7;
  marking.owned.pipeline.publish(&right);
  for (unsigned i = 0; i < 200; i++) REQUIRE(marking.tcp(i, kTcpAck, kSecond) == 2);
}

TEST_CASE("UDP met soon after a change stays, what begins later or as QUIC follows the change") {
  Marking marking;
  marking.change(0, [](unsigned) { return 3; }, kChange);
  const std::vector<uint8_t> initial = {0xc3, 0, 0, 0, 1}, second = {0xd3, 0x6b, 0x33, 0x43, 0xcf},
                             handshake = {0xe3, 0, 0, 0, 1}, data = {0x43, 0, 0, 0, 1};
  unsigned begun = 0, old = 0;
  for (unsigned i = 0; i < 400; i++) {
    const bool is_first = i % 2 == 0;
    const uint8_t link = marking.udp(i, is_first ? (i % 4 == 0 ? initial : second) : (i % 4 == 1 ? handshake : data), kChange + kSecond);
    REQUIRE((!is_first || link != 0));
    REQUIRE(marking.udp(i, data, kChange + 2 * kSecond) == link);
    REQUIRE(marking.udp(i, data, kChange + 500 * kSecond) == link);
    begun += is_first && link == 3;
    old += !is_first && link == 0;
  }
  CHECK(begun > 50);
  CHECK(old > 50);
  // Thirty seconds on, a conversation that was not heard of is a new one; the same octets on another port are no QUIC.
  for (unsigned i = 400; i < 600; i++) REQUIRE(marking.udp(i, data, kChange + 31 * kSecond) != 0);
  // And stays one when other buckets of its way change.
  marking.change(1, [](unsigned) { return 2; }, kChange + 60 * kSecond);
  for (unsigned i = 400; i < 600; i++) REQUIRE(marking.udp(i, data, kChange + 61 * kSecond) != 0);
  unsigned kept = 0;
  for (unsigned i = 600; i < 800; i++) kept += marking.udp(i, initial, kChange + kSecond, 5000) == 0;
  CHECK(kept > 50);
}

TEST_CASE("fragments leave by one link, the first and the later ones") {
  Marking marking;
  for (unsigned i = 0; i < 100; i++) {
    TcpShape shape;
    shape.source = kOurs + i;
    std::map<uint8_t, unsigned> seen;
    for (const uint16_t fragment : {0x2000, 0x2004, 0x0008}) {
      shape.source_port = static_cast<uint16_t>(fragment == 0x2000 ? 5000 : i * 77 + fragment);
      Frame frame(ethernet(ipv4_tcp(shape)), 1);
      store_be16(frame.packet.data + 20, fragment);
      seen[marking.link_of(frame, kSecond)]++;
    }
    REQUIRE(seen.size() == 1);
  }
}

TEST_CASE("the exception table keeps what speaks and loses the longest silent, as a map would without its bound") {
  INFO("seed ", seed());
  Random random(75);
  std::vector<uint8_t> memory(ExceptionTable::bytes() + 64);
  ExceptionTable table(memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64));
  std::map<std::pair<uint32_t, uint32_t>, uint8_t> model;
  unsigned lost = 0, wrong = 0;
  for (unsigned i = 0; i < 200'000; i++) {
    const uint32_t session = random.below(80'000);
    const hg_exception_key key = {hg_mix32(session, 7), session};
    const auto link = static_cast<uint8_t>(random.one_in(9) ? HG_LINK_PLAIN : random.below(32));
    const uint8_t found = table.find(key, i);
    const auto known = model.find({key.hash, key.ports});
    if (found != HG_LINK_UNKNOWN) REQUIRE((known != model.end() && found == known->second));
    if (found == HG_LINK_UNKNOWN && known != model.end()) wrong++;
    lost += table.put(key, link, i, 1'000'000);
    model[{key.hash, key.ports}] = link;
    REQUIRE(table.find(key, i) == link);
  }
  // More sessions than there is room for, and yet all but a few of the room is used.
  CHECK(lost > 1000);
  CHECK(wrong <= lost);
  CHECK(table.used() > HG_EXCEPTIONS_MAX * 95 / 100);
}

}  // namespace headgate::test
