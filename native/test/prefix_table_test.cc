#include "core/prefix_table.h"

#include <arpa/inet.h>
#include <zlib.h>

#include <filesystem>
#include <string>

#include "support.h"

namespace headgate::test {
namespace {

// The slow, obvious model: of all prefixes that cover the address the longest, of equal ones the last.
template <typename Address>
uint32_t linear(const std::vector<PrefixEntry<Address>>& entries, Address address) {
  constexpr unsigned bits = sizeof(Address) * 8;
  int best_length = -1;
  uint32_t value = HG_NONE;
  for (const auto& entry : entries) {
    const bool covers = entry.length == 0 || ((entry.address ^ address) >> (bits - entry.length)) == 0;
    if (covers && entry.length >= best_length) best_length = entry.length, value = entry.value;
  }
  return value;
}

template <typename Address>
Address random_address(Random& random) {
  Address address = 0;
  for (unsigned i = 0; i < sizeof(Address); i += 4) address = (sizeof(Address) > 4 ? address << 16 << 16 : 0) | static_cast<uint32_t>(random.next());
  // Few distinct leading bits, so that prefixes nest and touch.
  return random.one_in(3) ? address : address & static_cast<Address>(static_cast<Address>(7) << (sizeof(Address) * 8 - 5) | 0xff);
}

template <typename Address>
void agrees_with_linear(uint64_t salt) {
  constexpr unsigned bits = sizeof(Address) * 8;
  Random random(salt);
  const unsigned rounds = is_long() ? 3000 : 150;
  for (unsigned round = 0; round < rounds; round++) {
    std::vector<PrefixEntry<Address>> entries(random.below(40));
    for (auto& entry : entries) {
      entry = {random_address<Address>(random), static_cast<uint8_t>(random.below(bits + 1)), random.below(20)};
      if (random.one_in(15)) entry.value = HG_NONE;
    }
    RangeTable<Address> table;
    table.build(entries);
    for (unsigned probe = 0; probe < 200; probe++) {
      Address address = random_address<Address>(random);
      if (!entries.empty() && random.one_in(2)) {
        // The edges of a prefix, and one beyond.
        const auto& entry = entries[random.below(static_cast<uint32_t>(entries.size()))];
        const Address size = entry.length == 0 ? 0 : Address{1} << (bits - entry.length);
        const Address start = entry.length == 0 ? 0 : entry.address / size * size;
        address = start + static_cast<Address>(random.one_in(2) ? size : 0) - static_cast<Address>(random.below(2));
      }
      REQUIRE(table.lookup(address) == linear(entries, address));
    }
  }
}

}  // namespace

TEST_CASE("prefix table agrees with a linear scan, IPv4") {
  INFO("seed ", seed());
  agrees_with_linear<uint32_t>(1);
}

TEST_CASE("prefix table agrees with a linear scan, IPv6") {
  INFO("seed ", seed());
  agrees_with_linear<Address6>(2);
}

TEST_CASE("the whole table of the Internet agrees with a linear scan") {
  INFO("seed ", seed());
  const std::filesystem::path file = captures_folder() / "data/bart-fulltable-prefixes.txt.gz";
  if (!std::filesystem::exists(file)) {
    MESSAGE("skipped: no ", file.string(), " (set HEADGATE_CAPTURES)");
    return;
  }
  std::vector<PrefixEntry<uint32_t>> v4;
  std::vector<PrefixEntry<Address6>> v6;
  gzFile lines = gzopen(file.c_str(), "rb");
  char line[64];
  while (gzgets(lines, line, sizeof line) != nullptr) {
    const std::string text(line);
    const size_t slash = text.find('/');
    const std::string address = text.substr(0, slash);
    const auto length = static_cast<uint8_t>(std::stoi(text.substr(slash + 1)));
    const auto value = static_cast<uint32_t>(v4.size() + v6.size());
    uint8_t bytes[16];
    if (inet_pton(AF_INET, address.c_str(), bytes) == 1) v4.push_back({load_be32(bytes), length, value});
    else if (inet_pton(AF_INET6, address.c_str(), bytes) == 1) v6.push_back({load_address6(bytes), length, value});
  }
  gzclose(lines);
  REQUIRE(v4.size() > 900'000);
  REQUIRE(v6.size() > 150'000);
  const PrefixTable table(v4, v6);
  Random random(5);
  const unsigned probes = is_long() ? 5000 : 100;
  for (unsigned i = 0; i < probes; i++) {
    // Within a prefix, at its edges and beyond them, and anywhere.
    const auto& four = v4[random.below(static_cast<uint32_t>(v4.size()))];
    const auto& six = v6[random.below(static_cast<uint32_t>(v6.size()))];
    const uint32_t size4 = four.length == 0 ? 0 : 1u << (32 - four.length);
    const uint32_t address4 = random.one_in(8)   ? static_cast<uint32_t>(random.next())
                              : random.one_in(2) ? four.address + size4 - random.below(2)
                                                 : four.address + random.below(size4);
    const Address6 size6 = Address6{1} << (128 - six.length);
    const Address6 address6 = random.one_in(2) ? six.address + size6 - random.below(2)
                                               : six.address + random.next() % static_cast<uint64_t>(size6 >> 64 << 64 != 0 ? ~0ull : size6);
    REQUIRE(table.lookup4(address4) == linear(v4, address4));
    REQUIRE(table.lookup6(address6) == linear(v6, address6));
  }
}

TEST_CASE("an empty prefix table has no prefix anywhere") {
  const PrefixTable table;
  CHECK(table.lookup4(0) == HG_NONE);
  CHECK(table.lookup4(0xffffffff) == HG_NONE);
  CHECK(table.lookup6(~Address6{0}) == HG_NONE);
}

TEST_CASE("a default route covers what nothing else does, to the last address") {
  const PrefixTable table({{0, 0, 1}, {0xff000000, 8, 2}, {0xffffffff, 32, 3}}, {});
  CHECK(table.lookup4(0) == 1);
  CHECK(table.lookup4(0xfeffffff) == 1);
  CHECK(table.lookup4(0xfffffffe) == 2);
  CHECK(table.lookup4(0xffffffff) == 3);
}

}  // namespace headgate::test
