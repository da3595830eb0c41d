#include "core/session.h"

#include <cmath>
#include <map>

#include "core/byte_order.h"
#include "support.h"

namespace headgate::test {
namespace {

struct Entry {
  uint32_t hash;
  uint8_t reach : 4;
  uint8_t displaced : 4;
  uint32_t key;
  uint32_t value;
  uint32_t last_seen;
};

struct Sessions {
  explicit Sessions(size_t slots) : memory(SessionTable::bytes(slots)), rests(SessionTable::rest_bytes(slots)), table(memory.data(), rests.data(), slots) {}
  Memory memory, rests;
  SessionTable table;
};

HashKey random_key(Random& random) {
  HashKey key;
  for (auto& word : key.word) word = random.next();
  return key;
}

SessionTag key_of(const TcpShape& shape, const HashKey& secret) {
  const Frame frame(ipv4_tcp(shape), 101);
  Parsed parsed;
  parse(frame.packet, parsed);
  REQUIRE(parsed.has_tcp);
  return session_tag(frame.packet.data, parsed, secret);
}

// Mean probes of a successful search after random inserts up to `load`.
double mean_probes(double load, uint64_t salt) {
  constexpr size_t slots = 1 << 16;
  Memory memory(slots * sizeof(Entry));
  BrentTable<Entry> table(memory.data(), slots);
  Random random(salt);
  const auto never = [](const Entry&) { return false; };
  const auto none = [](const Entry&) { return 0u; };
  const auto wanted = static_cast<size_t>(load * slots);
  while (table.stats().occupied < wanted) {
    const uint32_t hash = BrentTable<Entry>::usable(static_cast<uint32_t>(random.next()));
    if (table.find(hash, [](const Entry&) { return true; }) == nullptr) table.insert(hash, never, none);
  }
  double sum = 0;
  for (size_t i = 0; i < slots; i++) {
    if (table.at(i).hash != 0) sum += table.probes(table.at(i));
  }
  return sum / static_cast<double>(table.stats().occupied);
}

}  // namespace

TEST_CASE("the table agrees with std::map under random inserts, finds and ageing") {
  INFO("seed ", seed());
  Random random(3);
  const unsigned rounds = is_long() ? 40 : 4;
  for (unsigned round = 0; round < rounds; round++) {
    constexpr size_t slots = 1024;
    constexpr uint32_t lifetime = 700;
    Memory memory(slots * sizeof(Entry));
    BrentTable<Entry> table(memory.data(), slots);
    std::map<uint32_t, std::pair<uint32_t, uint32_t>> model;  // key -> value, last seen
    // Few distinct hash values, so that the paths collide.
    const uint32_t spread = random.one_in(2) ? 0xffffffff : 0xfff;
    const auto hash_of = [spread](uint32_t key) { return BrentTable<Entry>::usable((key * 2654435761u) & spread); };
    for (uint32_t now = 0; now < 20'000; now++) {
      const uint32_t key = random.below(1500);
      Entry* entry = table.find(hash_of(key), [key](const Entry& other) { return other.key == key; });
      const auto known = model.find(key);
      const bool is_alive = known != model.end() && now - known->second.second <= lifetime;
      // What is alive is found; what is found is what was put there last.
      if (is_alive) REQUIRE(entry != nullptr);
      if (entry != nullptr) {
        REQUIRE(known != model.end());
        REQUIRE(entry->value == known->second.first);
      } else {
        entry = table.insert(
            hash_of(key), [now](const Entry& other) { return now - other.last_seen > lifetime; },
            [](const Entry&) { return 0u; });
        if (entry == nullptr) continue;
        entry->key = key;
      }
      entry->value = static_cast<uint32_t>(random.next());
      entry->last_seen = now;
      model[key] = {entry->value, now};
    }
    CHECK(table.stats().moves > 0);
  }
}

TEST_CASE("successful searches cost what Brent's method promises") {
  INFO("seed ", seed());
  // RESEARCH: 1.29 at half full, 1.47 at 0.7, 1.60 at 0.8, 1.80 at 0.9; double hashing has 1.39 to 2.57.
  const double half = mean_probes(0.5, 4), seven = mean_probes(0.7, 5), eight = mean_probes(0.8, 6),
               nine = mean_probes(0.9, 7);
  MESSAGE("mean probes at load .5 .7 .8 .9: ", half, " ", seven, " ", eight, " ", nine);
  CHECK(half == doctest::Approx(1.29).epsilon(0.02));
  CHECK(seven == doctest::Approx(1.47).epsilon(0.02));
  CHECK(eight == doctest::Approx(1.60).epsilon(0.02));
  CHECK(nine == doctest::Approx(1.80).epsilon(0.03));
}

TEST_CASE("both directions of a session have one tag, and the sides differ") {
  Random random(8);
  const HashKey secret = random_key(random);
  const TcpShape there;
  TcpShape back = there;
  std::swap(back.source, back.destination);
  std::swap(back.source_port, back.destination_port);
  const SessionTag a = key_of(there, secret), b = key_of(back, secret);
  CHECK(a.hash == b.hash);
  CHECK(a.side != b.side);
  CHECK(a.tag == b.tag);
}

TEST_CASE("tuples that collide under one secret do not under another") {
  INFO("seed ", seed());
  Random random(9);
  const HashKey known = random_key(random), secret = random_key(random);
  // The attacker knows an old secret and picks tuples of one bucket of 1,024 under it.
  struct Tuple {
    uint32_t addresses[2];
    uint16_t ports[2];
  };
  const auto tag_of = [](const Tuple& tuple, const HashKey& key) {
    return session_tag4(reinterpret_cast<const uint8_t*>(tuple.addresses), reinterpret_cast<const uint8_t*>(tuple.ports), key);
  };
  std::vector<Tuple> chosen;
  while (chosen.size() < 2000) {
    const Tuple tuple{{static_cast<uint32_t>(random.next()), 0xc6336401}, {static_cast<uint16_t>(random.next()), 80}};
    if ((tag_of(tuple, known).hash & 0x3ff) == 7) chosen.push_back(tuple);
  }
  Sessions sessions(4096);
  double probes = 0;
  unsigned inserted = 0;
  for (const Tuple& each : chosen) {
    Session* session = sessions.table.insert(tag_of(each, secret), 1);
    if (session == nullptr) continue;
    session->state = SessionState::Established;
    inserted++;
  }
  for (size_t i = 0; i < 4096; i++) {
    const Session& session = sessions.table.table().at(i);
    if (session.hash != 0) probes += sessions.table.table().probes(session);
  }
  CHECK(inserted == chosen.size());
  CHECK(probes / inserted < 1.5);
}

TEST_CASE("a SYN flood evicts no established session and grows nothing") {
  INFO("seed ", seed());
  Random random(10);
  const HashKey secret = random_key(random);
  constexpr size_t slots = 4096;
  Sessions sessions(slots);
  std::vector<TcpShape> established;
  for (unsigned i = 0; i < slots * 3 / 4; i++) {
    TcpShape shape;
    shape.source = 0x0a000000 + i;
    Session* session = sessions.table.insert(key_of(shape, secret), 1000);
    REQUIRE(session != nullptr);
    session->state = SessionState::Established;
    established.push_back(shape);
  }
  uint64_t refused = 0;
  const unsigned flood = is_long() ? 2'000'000 : 60'000;
  for (unsigned i = 0; i < flood; i++) {
    TcpShape shape;
    shape.source = static_cast<uint32_t>(random.next()) | 0x80000000;
    shape.source_port = static_cast<uint16_t>(random.next());
    if (sessions.table.insert(key_of(shape, secret), 1000 + i / 100) == nullptr) refused++;
  }
  for (const TcpShape& shape : established) REQUIRE(sessions.table.find(key_of(shape, secret)) != nullptr);
  CHECK(sessions.table.stats().occupied <= slots);
  CHECK(sessions.table.stats().refused == refused);
  CHECK(sessions.table.stats().evicted > 0);
}

TEST_CASE("the slot of a session that ended is had again") {
  Random random(11);
  const HashKey secret = random_key(random);
  Sessions sessions(16);
  uint32_t now = 0;
  for (unsigned i = 0; i < 1000; i++) {
    TcpShape shape;
    shape.source = i;
    now += kIdleMs / 4;
    Session* session = sessions.table.insert(key_of(shape, secret), now);
    REQUIRE(session != nullptr);
    session->state = SessionState::Established;
  }
  CHECK(sessions.table.stats().refused == 0);
  CHECK(sessions.table.stats().evicted == 0);
}

}  // namespace headgate::test
