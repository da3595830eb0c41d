#include "runtime/tables.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/byte_order.h"

namespace headgate {
namespace {

struct Layout {
  hg_tables_header header;
  const uint8_t* blocks;
  const uint8_t* destinations;
  const uint8_t* rules;
  const uint8_t* marks;
};

bool read_layout(const uint8_t* bytes, size_t size, Layout& layout, std::string& error) {
  if (size < sizeof(hg_tables_header)) return error = "tables: shorter than their header", false;
  layout.header = load<hg_tables_header>(bytes);
  const hg_tables_header& header = layout.header;
  if (header.magic != HG_TABLES_MAGIC || header.version != HG_ABI_VERSION)
    return error = "tables: made for another version of the native module", false;
  const uint64_t wanted = sizeof header + (uint64_t{header.blocks} + header.destinations) * sizeof(hg_prefix_record) +
                          uint64_t{header.rules} * sizeof(hg_link_rule) + uint64_t{header.links} * sizeof(hg_link_mark);
  if (wanted != size) return error = "tables: size differs from what the header says", false;
  if (header.links > HG_LINKS_MAX) return error = "tables: more links than there may be", false;
  layout.blocks = bytes + sizeof header;
  layout.destinations = layout.blocks + uint64_t{header.blocks} * sizeof(hg_prefix_record);
  layout.rules = layout.destinations + uint64_t{header.destinations} * sizeof(hg_prefix_record);
  layout.marks = layout.rules + uint64_t{header.rules} * sizeof(hg_link_rule);
  return true;
}

// `links`: by index, the link that the plan gives a destination; nullptr for blocks.
bool read_prefixes(const uint8_t* at, uint32_t count, uint32_t limit, PrefixTable& table, std::vector<uint8_t>* links,
                   std::string& error) {
  std::vector<PrefixEntry<uint32_t>> v4;
  std::vector<PrefixEntry<Address6>> v6;
  if (links != nullptr) links->assign(limit, static_cast<uint8_t>(HG_LINK_UNKNOWN));
  for (uint32_t i = 0; i < count; i++, at += sizeof(hg_prefix_record)) {
    const auto record = load<hg_prefix_record>(at);
    const bool is_valid = (record.network == 4 && record.length <= 32) || (record.network == 6 && record.length <= 128);
    if (!is_valid) return error = "tables: a prefix of no family or too long", false;
    if (record.index >= limit) return error = "tables: an index beyond what was opened", false;
    if (links != nullptr) (*links)[record.index] = record.link;
    if (record.network == 4) {
      v4.push_back({load_be32(record.address), record.length, record.index});
    } else {
      v6.push_back({load_address6(record.address), record.length, record.index});
    }
  }
  table = PrefixTable(std::move(v4), std::move(v6));
  return true;
}

bool read_rule(const hg_link_rule& rule, uint32_t links, Tables& tables) {
  if (rule.wire >= kWiresMax || rule.link >= links) return false;
  WireRules& wire = tables.wires[rule.wire];
  switch (rule.kind) {
    case HG_RULE_WIRE:
      wire.link = rule.link;
      return true;
    case HG_RULE_MAC:
      if (wire.macs >= HG_LINKS_MAX) return false;
      wire.mac[wire.macs] = static_cast<uint64_t>(load_be16(rule.mac)) << 32 | load_be32(rule.mac + 2);
      wire.mac_link[wire.macs++] = rule.link;
      return true;
    case HG_RULE_VLAN:
      wire.by_vlan = true;
      wire.vlan_link[rule.vlan & 0x0fff] = rule.link;
      return true;
    case HG_RULE_DSCP:
      wire.by_dscp = true;
      wire.dscp_link[rule.dscp & 0x3f] = rule.link;
      return true;
    default:
      return false;
  }
}

bool read_marks(const uint8_t* at, uint32_t links, hg_mark_table& marks, std::string& error) {
  std::fill(std::begin(marks.spread), std::end(marks.spread), static_cast<uint8_t>(HG_LINK_UNKNOWN));
  std::fill(std::begin(marks.marks), std::end(marks.marks), hg_mark{HG_VLAN_NONE, HG_DSCP_NONE, 0});
  for (uint32_t i = 0; i < links; i++) {
    const auto mark = load<hg_link_mark>(at + i * sizeof(hg_link_mark));
    const bool has_dscp = mark.dscp != HG_DSCP_NONE, has_vlan = mark.vlan != HG_VLAN_NONE;
    if (has_dscp && mark.dscp > 63) return error = "tables: a DSCP above 63", false;
    if (has_vlan && (mark.vlan == 0 || mark.vlan > 4094)) return error = "tables: a VLAN outside 1 to 4094", false;
    marks.marks[i] = {mark.vlan, mark.dscp, 0};
    if (has_dscp) marks.reserved_dscp |= uint64_t{1} << mark.dscp;
    if (has_dscp || has_vlan) marks.enabled = 1;
  }
  return true;
}

}  // namespace

std::unique_ptr<Tables> decode_tables(const uint8_t* bytes, size_t size, const TableLimits& limits,
                                      std::string& error) {
  Layout layout;
  if (!read_layout(bytes, size, layout, error)) return nullptr;
  const hg_tables_header& header = layout.header;
  if (header.links > limits.links) return error = "tables: more links than were opened", nullptr;
  auto tables = std::make_unique<Tables>();
  tables->generation = header.generation;
  if (!read_prefixes(layout.blocks, header.blocks, limits.blocks, tables->blocks, nullptr, error) ||
      !read_prefixes(layout.destinations, header.destinations, limits.destinations, tables->destinations,
                     &tables->destination_link, error))
    return nullptr;
  for (uint32_t i = 0; i < kWiresMax; i++) tables->wires[i].may_mark = header.may_mark[i] != 0;
  for (uint32_t i = 0; i < header.rules; i++) {
    if (!read_rule(load<hg_link_rule>(layout.rules + i * sizeof(hg_link_rule)), header.links, *tables))
      return error = "tables: a rule of an unknown kind, wire or link", nullptr;
  }
  if (!read_marks(layout.marks, header.links, tables->marks, error)) return nullptr;
  return tables;
}

bool measure_tables(const uint8_t* bytes, size_t size, TableLimits& limits, std::string& error) {
  Layout layout;
  if (!read_layout(bytes, size, layout, error)) return false;
  const auto beyond = [](const uint8_t* at, uint32_t count) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t index = load<hg_prefix_record>(at + i * sizeof(hg_prefix_record)).index;
      if (index != HG_NONE) most = std::max(most, index + 1);
    }
    return most;
  };
  limits = {beyond(layout.blocks, layout.header.blocks), beyond(layout.destinations, layout.header.destinations),
            layout.header.links};
  return true;
}

}  // namespace headgate
