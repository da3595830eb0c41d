#include "dns/answer_table.h"

#include <bit>
#include <cstring>

#include "core/byte_order.h"
#include "dns/hash.h"

namespace headgate::dns {
namespace {

constexpr uint32_t kMagic = 0x4e444748;
constexpr uint32_t kVersion = 1;
constexpr uint32_t kLog2Points = 257;
constexpr uint32_t kProvidersMax = 64;

struct Header {
  uint32_t magic;
  uint32_t version;
  uint32_t providers;
  uint32_t rows;
  uint32_t networks;
  uint32_t zones;
  uint32_t names;
  uint32_t sections;
  uint32_t data_length;
  uint32_t spare[3];
  Section any;
};
static_assert(sizeof(Header) == 64);

struct Network {
  uint32_t family;  // 4 or 6
  uint32_t length;
  uint32_t row;
  uint8_t address[16];
};
static_assert(sizeof(Network) == 28);

}  // namespace

std::unique_ptr<const AnswerTable> AnswerTable::load(const uint8_t* bytes, size_t length, std::string* why) {
  const auto refuse = [why](const char* reason) {
    *why = reason;
    return nullptr;
  };
  if (length < sizeof(Header)) return refuse("shorter than its header");
  std::unique_ptr<AnswerTable> table(new AnswerTable);
  table->blob_.assign(bytes, bytes + length);
  const uint8_t* at = table->blob_.data();
  const auto* header = reinterpret_cast<const Header*>(at);
  if (header->magic != kMagic || header->version != kVersion) return refuse("of another version");
  if (header->providers > kProvidersMax || header->rows == 0) return refuse("too many providers or no weights");
  const uint64_t total = sizeof(Header) + uint64_t{kLog2Points} * 4 + uint64_t{header->providers} * 4 +
                         uint64_t{header->rows} * header->providers * 4 +
                         uint64_t{header->networks} * sizeof(Network) + uint64_t{header->zones} * sizeof(Zone) +
                         uint64_t{header->names} * sizeof(Name) + uint64_t{header->sections} * sizeof(Section) +
                         header->data_length;
  if (total != length) return refuse("of another length than its parts");
  const auto take = [&at](uint64_t size) {
    const uint8_t* part = at;
    at += size;
    return part;
  };
  take(sizeof(Header));
  table->any_ = &header->any;
  table->providers_ = header->providers;
  table->log2_ = reinterpret_cast<const uint32_t*>(take(kLog2Points * 4));
  table->hashes_ = reinterpret_cast<const uint32_t*>(take(header->providers * 4));
  table->rows_ = reinterpret_cast<const uint32_t*>(take(uint64_t{header->rows} * header->providers * 4));
  const auto* networks = reinterpret_cast<const Network*>(take(uint64_t{header->networks} * sizeof(Network)));
  table->zones_ = reinterpret_cast<const Zone*>(take(uint64_t{header->zones} * sizeof(Zone)));
  table->names_ = reinterpret_cast<const Name*>(take(uint64_t{header->names} * sizeof(Name)));
  table->sections_ = reinterpret_cast<const Section*>(take(uint64_t{header->sections} * sizeof(Section)));
  table->data_ = at;

  const auto is_inside = [header](uint32_t offset, uint32_t size) {
    return uint64_t{offset} + size <= header->data_length;
  };
  if (!is_inside(header->any.offset, header->any.length)) return refuse("pointing outside itself");
  for (uint32_t i = 0; i < header->zones; i++) {
    const Zone& zone = table->zones_[i];
    if (!is_inside(zone.soa_offset, zone.soa_length) || zone.soa_length < 2) return refuse("pointing outside itself");
  }
  for (uint32_t i = 0; i < header->sections; i++) {
    const Section& section = table->sections_[i];
    if (!is_inside(section.offset, section.length)) return refuse("pointing outside itself");
  }
  std::vector<PrefixEntry<uint32_t>> v4;
  std::vector<PrefixEntry<Address6>> v6;
  for (uint32_t i = 0; i < header->networks; i++) {
    const Network& network = networks[i];
    const unsigned bits = network.family == 4 ? 32 : 128;
    if ((network.family != 4 && network.family != 6) || network.length > bits || network.row >= header->rows)
      return refuse("with a network that is none");
    const auto prefix_length = static_cast<uint8_t>(network.length);
    if (network.family == 4) v4.push_back({load_be32(network.address), prefix_length, network.row});
    else v6.push_back({load_address6(network.address), prefix_length, network.row});
  }
  table->row_of_ = PrefixTable(std::move(v4), std::move(v6));

  table->slots_.assign(std::bit_ceil(uint64_t{header->names} * 2 + 2), 0);
  const size_t mask = table->slots_.size() - 1;
  for (uint32_t i = 0; i < header->names; i++) {
    const Name& name = table->names_[i];
    const bool is_steered = (name.flags & kSteered) != 0;
    if (!is_inside(name.key_offset, name.key_length) || name.key_length > 255 || name.zone >= header->zones ||
        table->zones_[name.zone].apex_length > name.key_length ||
        uint64_t{name.first_section} + name.section_count > header->sections ||
        (is_steered && uint64_t{name.first_steered} + 2 * header->providers > header->sections))
      return refuse("with a name that is none");
    size_t slot = name.hash & mask;
    while (table->slots_[slot] != 0) slot = (slot + 1) & mask;
    table->slots_[slot] = i + 1;
  }
  return table;
}

const Name* AnswerTable::find(const uint8_t* key, size_t length, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Name& name = names_[slots_[slot] - 1];
    if (name.hash == hash && name.key_length == length && memcmp(data_ + name.key_offset, key, length) == 0)
      return &name;
  }
  return nullptr;
}

const Section* AnswerTable::steer(const Name& name, bool is_ipv6, uint8_t family, const uint8_t* network,
                                  size_t key_length) const {
  const Section* sections = sections_ + name.first_steered + (is_ipv6 ? providers_ : 0);
  const uint32_t seed = fnv1a(network, key_length, name.hash);
  const uint32_t row = row_of_.lookup(family, network);
  const Section* own = choose(sections, rows_ + uint64_t{row == HG_NONE ? 0 : row} * providers_, seed);
  if (own == nullptr && row != HG_NONE && row != 0) own = choose(sections, rows_, seed);
  return own != nullptr ? own : choose(sections, nullptr, seed);
}

// The provider with the lowest cost / weight among those that have a section; no weights: all alike.
const Section* AnswerTable::choose(const Section* sections, const uint32_t* weights, uint32_t seed) const {
  const Section* best = nullptr;
  int64_t best_cost = 0, best_weight = 0;
  for (uint32_t i = 0; i < providers_; i++) {
    const int64_t weight = sections[i].count == 0 ? 0 : weights == nullptr ? 1 : weights[i];
    if (weight == 0) continue;
    const int64_t own = cost(mix(seed ^ hashes_[i]));
    if (best != nullptr && own * best_weight >= best_cost * weight) continue;
    best = &sections[i];
    best_cost = own;
    best_weight = weight;
  }
  return best;
}

// -log2(draw / 2^32) in 2^-16ths.
int64_t AnswerTable::cost(uint32_t draw) const {
  if (draw == 0) return 32 * 65536;
  const int exponent = 31 - std::countl_zero(draw);
  const uint32_t mantissa = exponent == 0 ? 0 : draw << (32 - exponent);
  const uint32_t index = mantissa >> 24;
  const int64_t low = log2_[index], high = log2_[index + 1];
  const int64_t between = ((high - low) * ((mantissa >> 8) & 0xffff)) / 65536;
  return -((exponent - 32) * 65536 + low + between);
}

}  // namespace headgate::dns
