#include "kernel/flat_tables.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "core/byte_order.h"
#include "kernel/carry.h"
#include "kernel/common_head.h"

namespace headgate::test {
namespace {

// The kernel's map of exceptions, without its bound.
std::map<std::pair<uint32_t, uint32_t>, uint8_t> exceptions;

uint8_t hg_exception_find(const hg_exception_key* key) {
  const auto found = exceptions.find({key->hash, key->ports});
  return found == exceptions.end() ? static_cast<uint8_t>(HG_LINK_UNKNOWN) : found->second;
}
void hg_exception_put(const hg_exception_key* key, uint8_t link) { exceptions[{key->hash, key->ports}] = link; }

// That of the frame in hand.
uint64_t now_ns = 0;
uint64_t hg_now_ns(const hg_work*) { return now_ns; }

#include "kernel/choose.h"

}  // namespace
}  // namespace headgate::test

#include "support.h"

namespace headgate::test {
namespace {

template <typename Address>
Address random_address(Random& random) {
  // Few distinct leading bits, so that prefixes nest and addresses hit them.
  Address address = 0;
  for (unsigned i = 0; i < sizeof(Address) / 4; i++) address = (address << 16 << 16) | static_cast<uint32_t>(random.next());
  const unsigned bits = sizeof(Address) * 8;
  return random.one_in(3) ? address : static_cast<Address>((address >> 12) | Address{0x2a5} << (bits - 12));
}

template <typename Address>
std::vector<PrefixEntry<Address>> random_prefixes(Random& random, unsigned count, uint32_t values) {
  std::vector<PrefixEntry<Address>> entries;
  for (unsigned i = 0; i < count; i++) {
    const unsigned most = sizeof(Address) * 8;
    const auto length = static_cast<uint8_t>(random.one_in(20) ? random.below(most + 1) : most / 3 + random.below(most / 2));
    entries.push_back({random_address<Address>(random), length, random.below(values)});
  }
  return entries;
}

struct Flat {
  std::vector<hg_page> pages;
  hg_page_array array{};

  Flat(const Tables& tables, const CountLayout& counts) : pages(flat_pages(tables)) {
    write_flat(tables, 0, counts, pages.data());
    array = {pages.data(), static_cast<uint32_t>(pages.size())};
  }
  const hg_flat_head& head() const { return pages[HG_PAGE_HEAD].head; }
};

uint32_t lookup4(const Flat& flat, const hg_flat_index& index, uint32_t address) {
  return hg_find4(&flat.array, &index, hg_root4(&flat.array, &index, address), address);
}

hg_address in_packet(Address6 address) {
  hg_address out;
  for (unsigned i = 0; i < 4; i++) out.word[i] = __builtin_bswap32(static_cast<uint32_t>(address >> (96 - 32 * i)));
  return out;
}

void append(std::vector<uint8_t>& to, std::initializer_list<unsigned> bytes) {
  for (const unsigned byte : bytes) to.push_back(static_cast<uint8_t>(byte));
}

// A frame of any make: tags, labels, PPPoE, both families, extension headers, fragments; now and then damaged.
std::vector<uint8_t> random_frame(Random& random) {
  std::vector<uint8_t> out = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, static_cast<uint8_t>(random.below(3))};
  const bool is_v6 = random.one_in(3);
  for (unsigned tags = random.one_in(4) ? random.below(10) : 0; tags > 0; tags--)
    append(out, {random.one_in(2) ? 0x81u : 0x88u, 0, random.below(16), random.below(8)}),
        out[out.size() - 3] = out[out.size() - 4] == 0x81 ? 0x00 : 0xa8;
  const unsigned link = random.below(8);
  if (link == 0) {
    append(out, {0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0, is_v6 ? 0x57u : 0x21u});
  } else if (link == 1) {
    append(out, {0x88, 0x47});
    for (unsigned labels = random.below(10); labels > 0; labels--) append(out, {0, 1, 0, 64});
    append(out, {0, 2, 1, 64});
  } else {
    append(out, {is_v6 ? 0x86u : 0x08u, is_v6 ? 0xddu : 0x00u});
  }
  const std::vector<unsigned> protocols = {6, 6, 17, 1, 50};
  const unsigned protocol = protocols[random.below(5)];
  const size_t network = out.size();
  if (is_v6) {
    std::vector<uint8_t> extensions;
    unsigned next = protocol;
    for (unsigned n = random.one_in(3) ? random.below(11) : 0; n > 0; n--) {
      const std::vector<unsigned> types = {0, 60, 43, 44, 51};
      const unsigned type = types[random.below(5)];
      std::vector<uint8_t> header = {static_cast<uint8_t>(next), 0, 0, static_cast<uint8_t>(random.one_in(3)), 0, 0, 0, 0};
      extensions.insert(extensions.begin(), header.begin(), header.end());
      next = type;
    }
    append(out, {0x60 | random.below(16), random.below(256), 0, 0, 0, 0, next, 64});
    for (unsigned i = 0; i < 2; i++) {
      const auto address = random_address<Address6>(random);
      for (int shift = 120; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(address >> shift));
    }
    out.insert(out.end(), extensions.begin(), extensions.end());
  } else {
    append(out, {0x45, random.below(256), 0, 0, 0, 0, 0, 0, 64, protocol, random.below(256), random.below(256)});
    if (random.one_in(10)) out[network + 6] = static_cast<uint8_t>(random.below(64));
    for (unsigned i = 0; i < 2; i++) {
      const auto address = random_address<uint32_t>(random);
      append(out, {address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255});
    }
  }
  const unsigned payload = 20 + random.below(30);
  const size_t transport = out.size();
  for (unsigned i = 0; i < payload; i++) out.push_back(static_cast<uint8_t>(random.next()));
  if (protocol == 6) out[transport + 12] = 0x50;
  const auto total = static_cast<uint16_t>(out.size() - network - (is_v6 ? 40 : 0));
  store_be16(out.data() + network + (is_v6 ? 4 : 2), total);
  if (random.one_in(6)) out[random.below(static_cast<uint32_t>(out.size()))] = static_cast<uint8_t>(random.next());
  if (random.one_in(10)) out.resize(random.below(static_cast<uint32_t>(out.size())));
  return out;
}

// Ways with changed buckets, links alone, and links that are down.
Marks random_marks(Random& random, unsigned links) {
  Marks marks;
  hg_mark_table& table = marks.table;
  table.enabled = !random.one_in(4);
  for (unsigned link = 0; link < links; link++) {
    if (link < 2) table.marks[link].dscp = static_cast<uint8_t>(random.below(64));
    if (link == 2) table.marks[link].vlan = static_cast<uint16_t>(1 + random.below(4094));
    if (link < 2) table.reserved_dscp |= uint64_t{1} << table.marks[link].dscp;
  }
  if (random.one_in(3)) table.down = 1u << random.below(links);
  table.key[0] = static_cast<uint32_t>(random.next());
  table.key[1] = static_cast<uint32_t>(random.next());
  table.ways = static_cast<uint8_t>(random.below(6));
  const auto link_or = [&](unsigned otherwise) {
    return static_cast<uint8_t>(random.one_in(2) ? otherwise : random.below(links));
  };
  for (unsigned way = 0; way < table.ways; way++) {
    table.since_ns[way] = random.one_in(2) ? 0 : 1;
    for (unsigned i = 0; i < HG_BUCKETS; i++)
      marks.buckets.push_back({link_or(HG_LINK_PLAIN), link_or(random.one_in(2) ? HG_LINK_UNKNOWN : HG_LINK_WRITTEN)});
  }
  if (table.ways > 0 && !random.one_in(4)) table.otherwise = static_cast<uint8_t>(HG_LINKS_MAX + random.below(table.ways));
  return marks;
}

template <typename Address>
std::vector<PrefixEntry<Address>> with_ways(Random& random, std::vector<PrefixEntry<Address>> entries) {
  for (auto& entry : entries) entry.value = destination_value(random.one_in(3) ? HG_WAY_NONE : random.below(4), entry.value);
  return entries;
}

// The frame as the kernel reads it: whatever the buffer held before stands behind what was read.
hg_work work_of(const Packet& packet, Random& random) {
  hg_work work;
  for (uint8_t& byte : work.bytes) byte = static_cast<uint8_t>(random.next());
  work.captured = std::min<uint32_t>(packet.captured, HG_HEAD_BYTES);
  std::memcpy(work.bytes, packet.data, work.captured);
  work.length = packet.wire_length;
  work.segment_bytes = packet.segment_bytes;
  work.has_vlan = packet.has_vlan;
  work.vlan_tci = packet.vlan_tci;
  work.vlan_tpid = packet.vlan_tpid;
  work.direction = static_cast<uint8_t>(packet.direction);
  return work;
}

// As the programs fetch the head for hg_read_common().
bool fetch_common(hg_work* work, const Packet& packet) {
  for (const uint32_t bytes : {HG_COMMON_BYTES, 90u, 86u, 78u, 74u, 70u, 66u, HG_COMMON_BYTES_LEAST}) {
    if (packet.captured < bytes) continue;
    work->captured = bytes;
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("the kernel's form of a prefix table finds what the table finds") {
  INFO("seed ", seed());
  Random random(70);
  for (unsigned round = 0; round < (is_long() ? 2000u : 60u); round++) {
    Tables tables;
    const unsigned count = random.one_in(8) ? 0 : 1u << random.below(12);
    tables.blocks = PrefixTable(random_prefixes<uint32_t>(random, count, 1000), random_prefixes<Address6>(random, count, 1000));
    tables.destinations =
        PrefixTable(random_prefixes<uint32_t>(random, count / 2, 500), random_prefixes<Address6>(random, count, 500));
    const Flat flat(tables, {1000, 4, 500, 1});
    const hg_flat_head& head = flat.head();
    for (unsigned i = 0; i < 2000; i++) {
      const auto v4 = random_address<uint32_t>(random);
      const auto v6 = random_address<Address6>(random);
      const hg_address at = in_packet(v6);
      REQUIRE(lookup4(flat, head.block[0], v4) == tables.blocks.lookup4(v4));
      REQUIRE(hg_lookup6(&flat.array, &head.block[1], &at) == tables.blocks.lookup6(v6));
      REQUIRE(lookup4(flat, head.destination[0], v4) == tables.destinations.lookup4(v4));
      REQUIRE(hg_lookup6(&flat.array, &head.destination[1], &at) == tables.destinations.lookup6(v6));
    }
  }
}

TEST_CASE("the kernel reads a head as the parser does") {
  INFO("seed ", seed());
  Random random(71);
  unsigned clear = 0;
  for (unsigned i = 0; i < (is_long() ? 2'000'000u : 100'000u); i++) {
    Frame frame(random_frame(random), 1);
    frame.packet.captured = std::min<uint32_t>(frame.packet.captured, HG_HEAD_BYTES);
    frame.packet.has_vlan = random.one_in(5);
    frame.packet.vlan_tci = static_cast<uint16_t>(random.next());
    hg_work work = work_of(frame.packet, random);
    hg_read_head(&work);
    Parsed parsed;
    parse_any(frame.packet, parsed);
    const hg_head& head = work.head;
    // The jumbo payload option is the pipeline's alone.
    if (head.network == 6 && head.has_addresses && load_be16(frame.packet.data + head.network_offset + 4) == 0) continue;
    INFO("frame ", i, " reason ", name_of(parsed.reason));
    REQUIRE(head.network == parsed.network);
    REQUIRE(head.vlan == parsed.vlan);
    REQUIRE(head.first_tag_offset == parsed.first_tag_offset);
    REQUIRE(head.network_offset == parsed.network_offset);
    REQUIRE(head.tos == parsed.tos);
    REQUIRE(head.ip_bytes == parsed.ip_bytes);
    REQUIRE(head.has_ports == parsed.has_ports);
    REQUIRE(head.transport_offset == parsed.transport_offset);
    if (head.network != 0) REQUIRE(head.protocol == parsed.protocol);
    REQUIRE(head.is_fragment == static_cast<uint8_t>(parsed.fragment));
    REQUIRE(head.payload_bytes == parsed.payload_bytes);
    if (head.is_unclear) REQUIRE(parsed.reason != Unparsed::None);
    // TCP options are the pipeline's alone: it gets a copy of every segment.
    if (parsed.reason != Unparsed::None && !parsed.has_tcp) REQUIRE(head.is_unclear);
    clear += parsed.reason == Unparsed::None;
  }
  CHECK(clear > 10'000);
}

TEST_CASE("the common way of reading a head leaves what the general one does") {
  INFO("seed ", seed());
  Random random(74);
  std::map<std::pair<unsigned, bool>, unsigned> common;  // by network, with a tag in the frame or without
  for (unsigned i = 0; i < (is_long() ? 2'000'000u : 100'000u); i++) {
    Frame frame(random_frame(random), 1);
    frame.packet.has_vlan = random.one_in(5);
    frame.packet.vlan_tci = static_cast<uint16_t>(random.next());
    hg_work general = work_of(frame.packet, random), ours = general;
    for (uint32_t& word : ours.source.word) word = static_cast<uint32_t>(random.next());
    std::memset(&ours.head, 0xa5, sizeof ours.head);
    if (!fetch_common(&ours, frame.packet) || !hg_read_common(&ours)) continue;
    common[{ours.head.network, ours.head.first_tag_offset == 12}]++;
    hg_read_head(&general);
    hg_read_addresses(&general);
    INFO("frame ", i);
    // What is named reserved is nobody's.
    REQUIRE(std::memcmp(&ours.head, &general.head, offsetof(hg_head, reserved)) == 0);
    for (unsigned word = 0; word < (ours.head.network == 4 ? 1u : 4u); word++) {
      REQUIRE(ours.source.word[word] == general.source.word[word]);
      REQUIRE(ours.destination.word[word] == general.destination.word[word]);
    }
  }
  for (const unsigned network : {4u, 6u}) {
    CHECK(common[{network, false}] > 1'000);
    CHECK(common[{network, true}] > 30);
  }
}

TEST_CASE("the kernel counts and marks as the pipeline does") {
  INFO("seed ", seed());
  Random random(72);
  unsigned common = 0;
  for (unsigned round = 0; round < (is_long() ? 500u : 20u); round++) {
    PipelineSettings settings;
    settings.blocks = 300;
    settings.destinations = 100;
    settings.links = 4;
    settings.session_slots = 4096;
    Tables tables;
    tables.blocks = PrefixTable(random_prefixes<uint32_t>(random, 300, 300), random_prefixes<Address6>(random, 300, 300));
    tables.destinations = PrefixTable(with_ways(random, random_prefixes<uint32_t>(random, 200, 100)),
                                      with_ways(random, random_prefixes<Address6>(random, 100, 100)));
    exceptions.clear();
    tables.marks = random_marks(random, 4);
    const hg_mark_table& marks = tables.marks.table;
    WireRules& rules = tables.wires[0];
    rules.may_mark = !random.one_in(4);
    rules.macs = static_cast<uint8_t>(random.below(3));
    for (unsigned i = 0; i < rules.macs; i++) rules.mac[i] = 0x020000000000 + i, rules.mac_link[i] = static_cast<uint8_t>(i);
    rules.by_vlan = random.one_in(2);
    rules.by_dscp = random.one_in(2);
    for (auto& link : rules.vlan_link) link = static_cast<uint8_t>(random.one_in(2) ? HG_LINK_UNKNOWN : random.below(4));
    for (auto& link : rules.dscp_link) link = static_cast<uint8_t>(random.below(4));

    Owned owned(settings);
    owned.pipeline.publish(&tables);
    const CountLayout layout = {settings.blocks, settings.links, settings.destinations, 1};
    const Flat flat(tables, layout);
    std::vector<hg_page> counts(layout.pages());
    const hg_page_array counted = {counts.data(), static_cast<uint32_t>(counts.size())};

    for (unsigned i = 0; i < 3000; i++) {
      Frame frame(random_frame(random), 1);
      Packet& packet = frame.packet;
      packet.captured = std::min<uint32_t>(packet.captured, HG_HEAD_BYTES);
      packet.direction = random.one_in(2) ? Direction::Outbound : Direction::Inbound;
      packet.has_vlan = random.one_in(5);
      packet.vlan_tci = static_cast<uint16_t>(random.next());
      if (random.one_in(8)) packet.segment_bytes = 10 + random.below(30);
      hg_work work = work_of(packet, random);
      hg_read_head(&work);
      if (work.head.network == 6 && work.head.has_addresses && load_be16(packet.data + work.head.network_offset + 4) == 0)
        continue;
      // Both ways of reading are taken.
      if (hg_work other = work; random.one_in(2) && fetch_common(&other, packet) && hg_read_common(&other)) {
        common++;
        work = other;
        hg_consult(&flat.array, &flat.array, &flat.head(), &work, work.head.network);
      } else {
        hg_consult(&flat.array, &flat.array, &flat.head(), &work, 0);
      }
      hg_tallies sum = {};
      now_ns = packet.time_ns;
      if (work.is_markable && marks.enabled) {
        const hg_mark_table& flat_marks = flat.pages[HG_PAGE_MARKS(0)].marks;
        hg_settle(&flat_marks, hg_choose_link(&flat.array, &flat_marks, &sum, &work), &work);
      }
      hg_account_destination(&counted, &flat.head(), 0, &work);
      hg_account(&counted, &flat.head(), 0, &work);

      Parsed before, after;
      parse_any(packet, before);
      owned.pipeline.process(&packet, 1);
      parse_any(packet, after);
      INFO("round ", round, " frame ", i);
      REQUIRE((work.dscp == HG_DSCP_NONE ? before.tos >> 2 : work.dscp) == (after.tos >> 2));
      REQUIRE((work.vlan == HG_VLAN_NONE ? before.vlan : work.vlan) == after.vlan);
      const bool is_changed = work.dscp != HG_DSCP_NONE || work.vlan != HG_VLAN_NONE;
      REQUIRE(is_changed == (packet.verdict == Verdict::ForwardMarked));
    }
    for (uint32_t block = 0; block <= settings.blocks; block++) {
      for (uint32_t column = 0; column <= settings.links; column++) {
        for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
          const hg_traffic& model = owned.pipeline.traffic(block, column < settings.links ? column : HG_LINK_UNKNOWN, direction);
          const uint32_t cell = block * layout.columns() + column;
          const hg_traffic& ours =
              counts[cell / HG_CELLS_PER_PAGE].cell[cell % HG_CELLS_PER_PAGE].way[static_cast<unsigned>(direction)];
          REQUIRE(std::memcmp(&model, &ours, sizeof model) == 0);
        }
      }
    }
    for (uint32_t i = 0; i < settings.destinations; i++) {
      const hg_destination_count& ours =
          counts[layout.cell_pages() + i / HG_DESTINATIONS_PER_PAGE].destination[i % HG_DESTINATIONS_PER_PAGE];
      REQUIRE(ours.packets == owned.pipeline.destination(i).packets);
      REQUIRE(ours.l2_bytes == owned.pipeline.destination(i).l2_bytes);
    }
  }
  CHECK(common > 1000);
}

TEST_CASE("both directions of a session are sampled alike, and sessions differ") {
  INFO("seed ", seed());
  Random random(73);
  std::set<uint8_t> shares;
  for (unsigned i = 0; i < 2000; i++) {
    TcpShape there;
    there.source = static_cast<uint32_t>(random.next());
    there.source_port = static_cast<uint16_t>(random.next());
    TcpShape back = there;
    std::swap(back.source, back.destination);
    std::swap(back.source_port, back.destination_port);
    uint8_t share[2];
    const TcpShape* shapes[] = {&there, &back};
    for (unsigned way = 0; way < 2; way++) {
      Frame frame(ethernet(ipv4_tcp(*shapes[way])), 1);
      hg_work work = work_of(frame.packet, random);
      hg_read_head(&work);
      hg_read_addresses(&work);
      share[way] = hg_session_share(&work);
    }
    REQUIRE(share[0] == share[1]);
    shares.insert(share[0]);
  }
  CHECK(shares.size() > 250);
}

}  // namespace headgate::test
