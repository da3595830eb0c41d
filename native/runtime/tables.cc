#include "runtime/tables.h"

#include <algorithm>
#include <span>
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
  std::span<const uint8_t> marks;
};

bool read_layout(const uint8_t* bytes, size_t size, Layout& layout, std::string& error) {
  if (size < sizeof(hg_tables_header)) return error = "tables: shorter than their header", false;
  layout.header = load<hg_tables_header>(bytes);
  const hg_tables_header& header = layout.header;
  if (header.magic != HG_TABLES_MAGIC || header.version != HG_ABI_VERSION)
    return error = "tables: made for another version of the native module", false;
  const uint64_t before_marks = sizeof header +
                                (uint64_t{header.blocks} + header.destinations) * sizeof(hg_prefix_record) +
                                uint64_t{header.rules} * sizeof(hg_link_rule);
  if (before_marks > size) return error = "tables: size differs from what the header says", false;
  if (header.links > HG_LINKS_MAX) return error = "tables: more links than there may be", false;
  layout.blocks = bytes + sizeof header;
  layout.destinations = layout.blocks + uint64_t{header.blocks} * sizeof(hg_prefix_record);
  layout.rules = layout.destinations + uint64_t{header.destinations} * sizeof(hg_prefix_record);
  layout.marks = {bytes + before_marks, size - before_marks};
  return true;
}

// Turns a valid record into the table's value, or says what is wrong with it.
template <typename ToValue>
bool read_prefixes(const uint8_t* at, uint32_t count, ToValue to_value, PrefixTable& table, std::string& error) {
  std::vector<PrefixEntry<uint32_t>> v4;
  std::vector<PrefixEntry<Address6>> v6;
  for (uint32_t i = 0; i < count; i++, at += sizeof(hg_prefix_record)) {
    const auto record = load<hg_prefix_record>(at);
    const bool is_valid = (record.network == 4 && record.length <= 32) || (record.network == 6 && record.length <= 128);
    if (!is_valid) return error = "tables: a prefix of no family or too long", false;
    uint32_t value = 0;
    if (!to_value(record, &value)) return false;
    if (record.network == 4) {
      v4.push_back({load_be32(record.address), record.length, value});
    } else {
      v6.push_back({load_address6(record.address), record.length, value});
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

bool is_link(uint8_t link, uint32_t links) { return link < links || link == HG_LINK_PLAIN; }

bool is_former(uint8_t link, uint32_t links) {
  return is_link(link, links) || link == HG_LINK_WRITTEN || link == HG_LINK_UNKNOWN;
}

bool is_way(uint8_t way, uint32_t links, uint32_t ways) {
  return way < links || way == HG_WAY_NONE || (way >= HG_LINKS_MAX && way < HG_LINKS_MAX + ways);
}

bool read_marks(std::span<const uint8_t> bytes, uint32_t links, Marks& marks, std::string& error) {
  hg_marks_header header;
  if (bytes.size() < sizeof header) return error = "marks: shorter than their header", false;
  header = load<hg_marks_header>(bytes.data());
  if (header.magic != HG_MARKS_MAGIC || header.version != HG_ABI_VERSION)
    return error = "marks: made for another version of the native module", false;
  if (header.links > links || header.ways > HG_WAYS_MAX) return error = "marks: more links or ways than there may be", false;
  const uint64_t wanted = sizeof header + uint64_t{header.links} * sizeof(hg_link_mark) +
                          uint64_t{header.ways} * (sizeof(uint64_t) + HG_BUCKETS * sizeof(hg_bucket));
  if (wanted != bytes.size()) return error = "marks: size differs from what the header says", false;
  if (!is_way(header.otherwise, header.links, header.ways)) return error = "marks: a way that is not there", false;

  marks.generation = header.generation;
  hg_mark_table& table = marks.table;
  std::copy(std::begin(header.key), std::end(header.key), table.key);
  table.down = header.down;
  table.otherwise = header.otherwise;
  table.ways = static_cast<uint8_t>(header.ways);
  const uint8_t* at = bytes.data() + sizeof header;
  for (uint32_t i = 0; i < header.links; i++, at += sizeof(hg_link_mark)) {
    const auto mark = load<hg_link_mark>(at);
    const bool has_dscp = mark.dscp != HG_DSCP_NONE, has_vlan = mark.vlan != HG_VLAN_NONE;
    if (has_dscp && mark.dscp > 63) return error = "marks: a DSCP above 63", false;
    if (has_vlan && (mark.vlan == 0 || mark.vlan > 4094)) return error = "marks: a VLAN outside 1 to 4094", false;
    table.marks[i] = {mark.vlan, mark.dscp, 0};
    if (has_dscp) table.reserved_dscp |= uint64_t{1} << mark.dscp;
    if (has_dscp || has_vlan) table.enabled = 1;
  }
  for (uint32_t i = 0; i < header.ways; i++, at += sizeof(uint64_t)) table.since_ns[i] = load<uint64_t>(at);
  marks.buckets.resize(size_t{header.ways} * HG_BUCKETS);
  for (hg_bucket& bucket : marks.buckets) {
    bucket = load<hg_bucket>(at);
    at += sizeof(hg_bucket);
    if (!is_link(bucket.now, header.links) || !is_former(bucket.before, header.links))
      return error = "marks: a bucket of a link that is not there", false;
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
  if (!read_marks(layout.marks, header.links, tables->marks, error)) return nullptr;
  tables->marks.table.tables = tables->generation;
  const auto block = [&](const hg_prefix_record& record, uint32_t* value) {
    *value = record.index;
    return record.index < limits.blocks || (error = "tables: an index beyond what was opened", false);
  };
  const auto destination = [&](const hg_prefix_record& record, uint32_t* value) {
    const bool is_counted = record.index != HG_NONE;
    if (is_counted && record.index >= limits.destinations) return error = "tables: an index beyond what was opened", false;
    if (!is_way(record.way, header.links, tables->marks.table.ways)) return error = "tables: a way that is not there", false;
    if (record.way != HG_WAY_NONE && record.way >= HG_LINKS_MAX)
      tables->ways = std::max(tables->ways, record.way - HG_LINKS_MAX + 1u);
    *value = destination_value(record.way, is_counted ? record.index : HG_DESTINATIONS_MAX);
    return true;
  };
  if (!read_prefixes(layout.blocks, header.blocks, block, tables->blocks, error) ||
      !read_prefixes(layout.destinations, header.destinations, destination, tables->destinations, error))
    return nullptr;
  for (uint32_t i = 0; i < kWiresMax; i++) tables->wires[i].may_mark = header.may_mark[i] != 0;
  for (uint32_t i = 0; i < header.rules; i++) {
    if (!read_rule(load<hg_link_rule>(layout.rules + i * sizeof(hg_link_rule)), header.links, *tables))
      return error = "tables: a rule of an unknown kind, wire or link", nullptr;
  }
  return tables;
}

std::unique_ptr<Marks> decode_marks(std::span<const uint8_t> bytes, uint32_t links, std::string& error) {
  auto marks = std::make_unique<Marks>();
  return read_marks(bytes, links, *marks, error) ? std::move(marks) : nullptr;
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
