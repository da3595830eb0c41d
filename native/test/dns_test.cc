// The name server's hot path on hostile octets: never a read or write out of bounds (AddressSanitizer watches the
// exact buffers), never more than an answer may have. What it answers is compared with TypeScript in test/fuzz.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dns/census.h"
#include "dns/hash.h"
#include "dns/responder.h"
#include "support.h"

namespace headgate::test {
namespace {

using dns::AnswerTable;

void put32(std::vector<uint8_t>& out, std::initializer_list<uint32_t> words) {
  for (const uint32_t word : words)
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<uint8_t>(word >> shift));
}

// Zone `example.` with the steered name `w.example.` of two providers, in the layout of compiled.ts.
std::vector<uint8_t> table_octets() {
  const std::string apex("\7example\0", 9);
  const std::string steered("\1w\7example\0", 11);
  std::string data = apex + steered;
  const auto record = [&data](uint8_t type, const std::string& value) {
    const auto at = static_cast<uint32_t>(data.size());
    data += std::string("\xc0\x0c\0", 3) + static_cast<char>(type) + std::string("\0\1\0\0\0\x1e\0", 7);
    data += static_cast<char>(value.size());
    data += value;
    return at;
  };
  const uint32_t any = record(13, "\7RFC8482"), soa = record(6, std::string(22, '\1'));
  const uint32_t north = record(1, "nort"), south = record(1, "sout");
  const auto hash = [](const std::string& key) {
    return dns::fnv1a(reinterpret_cast<const uint8_t*>(key.data()), key.size());
  };
  std::vector<uint8_t> out;
  put32(out, {0x4e444748, 1, 2, 1, 1, 1, 2, 5, static_cast<uint32_t>(data.size()), 0, 0, 0});
  put32(out, {13, 1, any, 20});
  for (uint32_t i = 0; i < 257; i++) put32(out, {i * 256});
  put32(out, {1, 2});                                // hashes
  put32(out, {5000, 5000});                          // the row
  put32(out, {4, 8, 0, 10, 0, 0, 0});                // 10.0.0.0/8
  put32(out, {9, soa, 34});                          // the zone
  put32(out, {0, 9, 0, 4, hash(apex), 0, 1, 0});     // example.
  put32(out, {9, 11, 0, 2, hash(steered), 1, 0, 1}); // w.example.
  put32(out, {6, 1, soa, 34, 1, 1, north, 16, 1, 1, south, 16, 0, 0, 0, 0, 0, 0, 0, 0});
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

std::vector<uint8_t> query_octets(bool with_options) {
  std::vector<uint8_t> query = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'W', 7, 'e', 'x', 'a', 'm',
                                'p',  'l',  'e', 0, 0, 1, 0, 1};
  if (with_options) {
    query[11] = 1;
    const std::vector<uint8_t> opt = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 23, 0, 8, 0, 7, 0, 1,
                                      24, 0, 10, 1, 2, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    query.insert(query.end(), opt.begin(), opt.end());
  }
  return query;
}

dns::Policy policy() {
  dns::Policy policy;
  policy.cookie_secret.emplace();
  return policy;
}

// Exact buffers: one octet too far is seen.
int answer(dns::Responder& responder, const AnswerTable& table, const std::vector<uint8_t>& octets) {
  const std::unique_ptr<uint8_t[]> query(new uint8_t[octets.size()]);
  memcpy(query.get(), octets.data(), octets.size());
  const std::unique_ptr<uint8_t[]> out(new uint8_t[dns::kAnswerMax]);
  const uint8_t address[4] = {10, 1, 2, 3};
  return responder.answer(table, query.get(), octets.size(), address, 4, 1'800'000'000'000, out.get());
}

TEST_CASE("SipHash-2-4 gives the values of its paper") {
  uint8_t key[16], message[15];
  for (uint8_t i = 0; i < 16; i++) key[i] = i;
  for (uint8_t i = 0; i < 15; i++) message[i] = i;
  CHECK(dns::siphash24(key, message, 15) == 0xa129ca6149be45e5);
  CHECK(dns::siphash24(key, message, 0) == 0x726fdb47dd0e0e31);
}

TEST_CASE("a compiled table is answered from, whatever is done to the query") {
  const std::vector<uint8_t> octets = table_octets();
  std::string why;
  const auto table = AnswerTable::load(octets.data(), octets.size(), &why);
  REQUIRE_MESSAGE(table != nullptr, why);
  dns::Responder responder(policy());
  CHECK(answer(responder, *table, query_octets(false)) == 27 + 16);
  CHECK(answer(responder, *table, query_octets(true)) == 27 + 16 + 11 + 11 + 28);
  CHECK(responder.counts().steered == 2);

  Random random(20260101);
  for (int run = 0; run < (is_long() ? 1'000'000 : 40'000); run++) {
    std::vector<uint8_t> query = query_octets(run % 2 == 0);
    for (unsigned changes = random.below(4); changes > 0; changes--)
      query[random.below(static_cast<uint32_t>(query.size()))] = static_cast<uint8_t>(random.next());
    if (random.one_in(4)) query.resize(random.below(static_cast<uint32_t>(query.size()) + 1));
    CHECK(answer(responder, *table, query) <= static_cast<int>(dns::kAnswerMax));
  }
}

TEST_CASE("a table cut short or changed is refused, or harmless") {
  const std::vector<uint8_t> good = table_octets();
  std::string why;
  for (size_t length = 0; length < good.size(); length++)
    CHECK(AnswerTable::load(good.data(), length, &why) == nullptr);
  Random random(20260102);
  unsigned refused = 0;
  for (int run = 0; run < (is_long() ? 5000 : 300); run++) {
    std::vector<uint8_t> octets = good;
    // The header and what follows the logarithms: indices, offsets and lengths.
    const size_t from = random.one_in(2) ? 0 : 64 + 257 * 4;
    octets[from + random.below(from == 0 ? 64 : 200)] = static_cast<uint8_t>(random.next());
    const auto table = AnswerTable::load(octets.data(), octets.size(), &why);
    if (table == nullptr) {
      refused++;
      continue;
    }
    dns::Responder responder(policy());
    CHECK(answer(responder, *table, query_octets(true)) <= static_cast<int>(dns::kAnswerMax));
  }
  CHECK(refused > 30);
}

TEST_CASE("resolvers are counted by address, and a drain begins anew") {
  dns::Census census(64);
  const uint8_t v4[4] = {192, 0, 2, 1};
  const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};
  for (int i = 0; i < 3; i++) census.note(v4, 4);
  census.note(v6, 6);
  auto drained = census.drain();
  REQUIRE(drained.size() == 2);
  if (drained[0].family == 6) std::swap(drained[0], drained[1]);
  CHECK(drained[0].queries == 3);
  CHECK(memcmp(drained[0].address, v4, 4) == 0);
  CHECK(drained[1].queries == 1);
  CHECK(memcmp(drained[1].address, v6, 16) == 0);
  CHECK(census.drain().empty());
}

TEST_CASE("a flood of sources that ask once leaves those that ask on, and is counted") {
  dns::Census census(64);
  const uint8_t steady[4] = {192, 0, 2, 1};
  for (uint32_t i = 0; i < 5000; i++) {
    const uint8_t stranger[4] = {10, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
    census.note(stranger, 4);
    if (i % 10 == 0) census.note(steady, 4);
  }
  uint32_t queries = 0;
  for (const auto& entry : census.drain())
    if (memcmp(entry.address, steady, 4) == 0) queries = entry.queries;
  CHECK(queries > 400);
  CHECK(census.skipped() > 4000);
}

}  // namespace
}  // namespace headgate::test
