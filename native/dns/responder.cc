#include "dns/responder.h"

#include <algorithm>
#include <cstring>

#include "core/byte_order.h"
#include "dns/hash.h"

namespace headgate::dns {
namespace {

constexpr uint16_t kTypeA = 1, kTypeOpt = 41, kTypeAaaa = 28, kTypeAny = 255, kClassIn = 1;
constexpr uint16_t kOptionSubnet = 8, kOptionCookie = 10;
constexpr uint8_t kAuthoritative = 0x84, kTruncated = 0x02, kRecursionDesired = 0x01;  // with QR, of octet 2
constexpr uint8_t kNxdomain = 3;

struct Subnet {
  bool is_present = false;
  uint8_t family = 4;
  uint8_t length = 0;
  uint8_t address[16] = {};
};

struct Query {
  uint8_t key[255];  // the name's octets, folded
  size_t key_length;
  uint16_t type;
  size_t question_end;
  bool has_edns;
  bool wants_dnssec;
  size_t udp_size;
  Subnet subnet;
  const uint8_t* cookie;
  size_t cookie_length;
};

void clear_host_bits(uint8_t* address, size_t size, unsigned length) {
  for (size_t i = length / 8; i < size; i++) {
    const unsigned kept = length > i * 8 ? length - static_cast<unsigned>(i) * 8 : 0;
    address[i] = kept >= 8 ? address[i] : address[i] & static_cast<uint8_t>(0xff00u >> kept);
  }
}

bool read_subnet(const uint8_t* at, size_t size, Subnet* subnet) {
  if (size < 4 || subnet->is_present || load_be16(at) < 1 || load_be16(at) > 2 || at[3] != 0) return false;
  subnet->is_present = true;
  subnet->family = load_be16(at) == 1 ? 4 : 6;
  subnet->length = at[2];
  const size_t octets = (subnet->length + 7u) / 8;
  const size_t full = subnet->family == 4 ? 4 : 16;
  if (octets > full || size - 4 != octets) return false;
  memcpy(subnet->address, at + 4, octets);
  clear_host_bits(subnet->address, full, subnet->length);
  return memcmp(subnet->address, at + 4, octets) == 0;
}

bool read_options(const uint8_t* at, const uint8_t* end, Query* query) {
  while (at < end) {
    if (end - at < 4) return false;
    const uint16_t code = load_be16(at), size = load_be16(at + 2);
    at += 4;
    if (end - at < size) return false;
    if (code == kOptionSubnet && !read_subnet(at, size, &query->subnet)) return false;
    if (code == kOptionCookie) {
      if (query->cookie != nullptr || (size != 8 && (size < 16 || size > 40))) return false;
      query->cookie = at;
      query->cookie_length = size;
    }
    at += size;
  }
  return true;
}

// Whether the octets are a plain query of class IN with at most an OPT record of version 0 behind the question.
bool read_query(const uint8_t* bytes, size_t length, Query* query) {
  if (length < 12 + 5 || (bytes[2] & 0xf8) != 0) return false;
  if (load_be16(bytes + 4) != 1 || load<uint32_t>(bytes + 6) != 0 || load_be16(bytes + 10) > 1) return false;
  size_t at = 12;
  for (uint8_t label = 1; label != 0;) {
    if (at >= length || at >= 12 + 255) return false;
    label = bytes[at];
    if (label > 63 || at + 1 + label > length || at + 1 + label > 12 + 255) return false;
    query->key[at - 12] = label;
    for (size_t i = at + 1; i <= at + label; i++) {
      const uint8_t octet = bytes[i];
      query->key[i - 12] = octet >= 'A' && octet <= 'Z' ? octet + 32 : octet;
    }
    at += 1u + label;
  }
  query->key_length = at - 12;
  if (length - at < 4) return false;
  query->type = load_be16(bytes + at);
  if (load_be16(bytes + at + 2) != kClassIn || query->type == kTypeOpt) return false;
  if (query->type >= 128 && query->type <= 254) return false;
  at += 4;
  query->question_end = at;
  query->has_edns = load_be16(bytes + 10) == 1;
  if (!query->has_edns) return at == length;
  // OPT: root, type, size, extended rcode and version and flags, length of the options.
  if (length - at < 11 || bytes[at] != 0 || load_be16(bytes + at + 1) != kTypeOpt || bytes[at + 6] != 0) return false;
  query->udp_size = std::max<size_t>(512, load_be16(bytes + at + 3));
  query->wants_dnssec = (bytes[at + 7] & 0x80) != 0;
  if (length - at - 11 != load_be16(bytes + at + 9)) return false;
  return read_options(bytes + at + 11, bytes + length, query);
}

// RFC 9018: client cookie, version 1, time stamp, hash. `cookie` has 24 bytes, the first 8 set.
void make_cookie(uint8_t* cookie, uint32_t stamp_s, const uint8_t* address, size_t size, const uint8_t* secret) {
  cookie[8] = 1;
  memset(cookie + 9, 0, 3);
  store(cookie + 12, __builtin_bswap32(stamp_s));
  uint8_t hashed[32];
  memcpy(hashed, cookie, 16);
  memcpy(hashed + 16, address, size);
  store(cookie + 16, siphash24(secret, hashed, 16 + size));
}

// Whether the asker showed our cookie; `answer` gets the 24 bytes that go back. Ages as in cookie.ts.
bool check_cookie(const Query& query, const uint8_t* address, size_t size, const uint8_t* secret, uint32_t now_s,
                  uint8_t* answer) {
  memcpy(answer, query.cookie, 8);
  if (query.cookie_length == 24 && query.cookie[8] == 1) {
    const uint32_t stamp = load_be32(query.cookie + 12);
    const auto age = static_cast<int32_t>(now_s - stamp);
    if (age <= 3600 && age >= -300) {
      make_cookie(answer, stamp, address, size, secret);
      if (load<uint64_t>(answer + 16) == load<uint64_t>(query.cookie + 16)) {
        if (age > 1800) make_cookie(answer, now_s, address, size, secret);
        return true;
      }
    }
  }
  make_cookie(answer, now_s, address, size, secret);
  return false;
}

size_t write_opt(uint8_t* opt, const Query& query, uint8_t scope, const uint8_t* cookie) {
  memset(opt, 0, 11);
  opt[2] = kTypeOpt;
  store_be16(opt + 3, kAnswerMax);
  if (query.wants_dnssec) opt[7] = 0x80;
  size_t at = 11;
  if (const Subnet& subnet = query.subnet; subnet.is_present) {
    const size_t octets = (subnet.length + 7u) / 8;
    store_be16(opt + at, kOptionSubnet);
    store_be16(opt + at + 2, static_cast<uint16_t>(4 + octets));
    store_be16(opt + at + 4, subnet.family == 4 ? 1 : 2);
    opt[at + 6] = subnet.length;
    opt[at + 7] = scope;
    memcpy(opt + at + 8, subnet.address, octets);
    at += 8 + octets;
  }
  if (cookie != nullptr) {
    store_be16(opt + at, kOptionCookie);
    store_be16(opt + at + 2, 24);
    memcpy(opt + at + 4, cookie, 24);
    at += 28;
  }
  opt[10] = static_cast<uint8_t>(at - 11);
  return at;
}

}  // namespace

int Responder::answer(const AnswerTable& table, const uint8_t* bytes, size_t length, const uint8_t* address,
                      uint8_t family, uint64_t now_ms, uint8_t* out) {
  Query query{};
  if (!read_query(bytes, length, &query)) return kNotMine;

  const size_t address_size = family == 4 ? 4 : 16;
  uint8_t network[16] = {};
  memcpy(network, address, address_size);
  clear_host_bits(network, address_size, family == 4 ? policy_.ipv4_bits : policy_.ipv6_bits);

  // Who is steered: the client's network where it is told finely enough, else the resolver's.
  const Subnet& subnet = query.subnet;
  const bool is_client = subnet.is_present && subnet.length > 0 && policy_.client_subnet;
  const uint8_t steered_family = is_client ? subnet.family : family;
  const uint8_t bits = steered_family == 4 ? policy_.ipv4_bits : policy_.ipv6_bits;
  if (is_client && subnet.length < bits) return kNotMine;
  uint8_t steered[16] = {};
  memcpy(steered, is_client ? subnet.address : network, 16);
  clear_host_bits(steered, steered_family == 4 ? 4 : 16, bits);

  // The name, or else the nearest above it that exists.
  const Name* name = table.find(query.key, query.key_length, fnv1a(query.key, query.key_length));
  const bool is_found = name != nullptr;
  for (size_t at = 0; name == nullptr && query.key[at] != 0;) {
    at += 1u + query.key[at];
    const size_t rest = query.key_length - at;
    name = table.find(query.key + at, rest, fnv1a(query.key + at, rest));
    if (name == nullptr) continue;
    uint8_t wildcard[257] = {1, '*'};
    memcpy(wildcard + 2, query.key + at, rest);
    if (table.find(wildcard, rest + 2, fnv1a(wildcard, rest + 2)) != nullptr) return kNotMine;
  }
  if (name == nullptr || (name->flags & kElsewhere) != 0) return kNotMine;

  const bool is_steered = is_found && (name->flags & kSteered) != 0;
  const bool is_address = query.type == kTypeA || query.type == kTypeAaaa;
  const Section* section = nullptr;
  if (is_found && query.type == kTypeAny) {
    if ((name->flags & (kSteered | kHasRecords)) != 0) section = &table.any();
  } else if (is_steered && is_address) {
    section = table.steer(*name, query.type == kTypeAaaa, steered_family, steered, (bits + 7u) / 8);
  } else if (is_found) {
    for (uint32_t i = 0; i < name->section_count && section == nullptr; i++) {
      const Section& candidate = table.section(name->first_section + i);
      if (candidate.type == query.type) section = &candidate;
    }
  }
  const bool is_steered_answer = is_steered && is_address && section != nullptr;

  uint8_t cookie[24];
  const bool gives_cookie = query.cookie != nullptr && policy_.cookie_secret.has_value();
  const bool is_spared =
      gives_cookie && check_cookie(query, address, address_size, policy_.cookie_secret->data(),
                                   static_cast<uint32_t>(now_ms / 1000), cookie);
  uint8_t opt[11 + 8 + 16 + 28];
  const uint8_t scope = is_client && is_steered_answer ? bits : 0;
  const size_t opt_length = query.has_edns ? write_opt(opt, query, scope, gives_cookie ? cookie : nullptr) : 0;

  memset(out, 0, 12);
  memcpy(out, bytes, 2);
  memcpy(out + 12, bytes + 12, query.question_end - 12);
  out[2] = kAuthoritative | (bytes[2] & kRecursionDesired);
  out[5] = 1;
  const Zone& zone = table.zone(name->zone);
  const size_t limit = (query.has_edns ? std::min(query.udp_size, kAnswerMax) : 512) - opt_length;
  const size_t records = section != nullptr ? section->length : zone.soa_length;
  size_t end = query.question_end;
  if (end + records > limit) {
    out[2] |= kTruncated;
    counts_.truncated++;
  } else if (section != nullptr) {
    memcpy(out + end, table.bytes(section->offset), records);
    store_be16(out + 6, static_cast<uint16_t>(section->count));
    end += records;
  } else {
    memcpy(out + end, table.bytes(zone.soa_offset), records);
    // The question's tail is the apex.
    store_be16(out + end, static_cast<uint16_t>(0xc00c + query.key_length - zone.apex_length));
    out[9] = 1;
    end += records;
  }
  if (!is_found) out[3] = kNxdomain;

  if (!is_spared && policy_.responses_per_second > 0) {
    // As in answer.ts: unlike answers apart, all names that do not exist together (3: the outcome's place there).
    uint32_t subject = is_found ? fnv1a(query.key, query.key_length, query.type) : 3;
    const auto verdict = limit_.judge(network, address_size, subject, static_cast<double>(now_ms));
    if (verdict == RateVerdict::kDrop) {
      counts_.limited_dropped++;
      return 0;
    }
    if (verdict == RateVerdict::kSlip) {
      counts_.limited_slipped++;
      end = query.question_end;
      out[2] = 0x80 | kTruncated | (bytes[2] & kRecursionDesired);
      out[3] = 0;
      memset(out + 6, 0, 6);
    }
  }
  uint64_t& outcome = !is_found            ? counts_.nxdomain
                      : section == nullptr ? counts_.nodata
                      : is_steered_answer  ? counts_.steered
                                           : counts_.answered;
  outcome++;
  memcpy(out + end, opt, opt_length);
  if (query.has_edns) out[11] = 1;
  return static_cast<int>(end + opt_length);
}

}  // namespace headgate::dns
