#include "runtime/tables.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "abi/engine.h"
#include "core/byte_order.h"

namespace headgate {
namespace {

struct Layout {
  hg_tables_head head;
  const uint8_t* blocks;
  const uint8_t* destinations;
  const uint8_t* rules;
};

Failure bad(const char* what) { return Failure{"bad_tables", std::string("tables: ") + what}; }

std::optional<Failure> read_layout(std::span<const uint8_t> bytes, Layout& layout) {
  if (bytes.size() < sizeof(hg_tables_head)) return bad("shorter than their head");
  layout.head = load<hg_tables_head>(bytes.data());
  const hg_tables_head& head = layout.head;
  if (head.version != HG_ABI_VERSION) return bad("made for another version of the native module");
  const uint64_t wanted = sizeof head + (uint64_t{head.blocks} + head.destinations) * sizeof(hg_prefix) +
                          uint64_t{head.links} * sizeof(hg_link_rule);
  if (wanted != bytes.size()) return bad("their size is not what their head says");
  layout.blocks = bytes.data() + sizeof head;
  layout.destinations = layout.blocks + uint64_t{head.blocks} * sizeof(hg_prefix);
  layout.rules = layout.destinations + uint64_t{head.destinations} * sizeof(hg_prefix);
  return std::nullopt;
}

// `links`: by index, the link that the plan gives a destination; nullptr for blocks.
std::optional<Failure> read_prefixes(const uint8_t* at, uint32_t count, uint32_t capacity, PrefixTable& table,
                                     std::vector<uint8_t>* links) {
  std::vector<PrefixEntry<uint32_t>> v4;
  std::vector<PrefixEntry<Address6>> v6;
  if (links != nullptr) links->assign(capacity, static_cast<uint8_t>(HG_LINK_UNKNOWN));
  for (uint32_t i = 0; i < count; i++, at += sizeof(hg_prefix)) {
    const auto record = load<hg_prefix>(at);
    const bool is_valid = (record.family == 4 && record.length <= 32) || (record.family == 6 && record.length <= 128);
    if (!is_valid) return bad("a prefix of no family, or too long");
    if (record.index >= capacity) return bad("an index beyond what was opened");
    if (links != nullptr) (*links)[record.index] = record.link;
    if (record.family == 4) {
      v4.push_back({load_be32(record.address), record.length, record.index});
    } else {
      v6.push_back({load_address6(record.address), record.length, record.index});
    }
  }
  table = PrefixTable(std::move(v4), std::move(v6));
  return std::nullopt;
}

std::optional<Failure> read_rule(const hg_link_rule& rule, uint32_t links, uint32_t wires, Tables& tables) {
  if (rule.link >= links) return bad("a link beyond what was opened");
  if (rule.wire >= wires || rule.wire >= kWiresMax) return bad("a rule for a wire that was not opened");
  WireRules& wire = tables.wires[rule.wire];
  switch (rule.rule) {
    case HG_RULE_WIRE:
      wire.link = rule.link;
      break;
    case HG_RULE_MAC:
      if (wire.macs >= HG_LINKS_MAX) return bad("too many MAC addresses on a wire");
      wire.mac[wire.macs] = static_cast<uint64_t>(load_be16(rule.mac)) << 32 | load_be32(rule.mac + 2);
      wire.mac_link[wire.macs++] = rule.link;
      break;
    case HG_RULE_VLAN:
      wire.by_vlan = true;
      wire.vlan_link[rule.vlan & 0x0fff] = rule.link;
      break;
    case HG_RULE_DSCP:
      wire.by_dscp = true;
      wire.dscp_link[rule.dscp & 0x3f] = rule.link;
      break;
    default:
      return bad("a rule of an unknown kind");
  }
  const bool has_dscp = rule.mark_dscp != HG_DSCP_NONE, has_vlan = rule.mark_vlan != HG_VLAN_NONE;
  if (has_dscp && rule.mark_dscp > 63) return bad("a DSCP above 63");
  if (has_vlan && (rule.mark_vlan == 0 || rule.mark_vlan > 4094)) return bad("a VLAN outside 1 to 4094");
  hg_mark_table& marks = tables.marks;
  marks.marks[rule.link] = {rule.mark_vlan, rule.mark_dscp, 0};
  if (has_dscp) marks.reserved_dscp |= uint64_t{1} << rule.mark_dscp;
  if (has_dscp || has_vlan) marks.enabled = 1;
  return std::nullopt;
}

}  // namespace

std::optional<Failure> read_tables(std::span<const uint8_t> bytes, const EngineCapacity& capacity, uint32_t wires,
                                   Tables* out) {
  Layout layout;
  if (auto failure = read_layout(bytes, layout)) return failure;
  const hg_tables_head& head = layout.head;
  if (auto failure = read_prefixes(layout.blocks, head.blocks, capacity.blocks, out->blocks, nullptr)) return failure;
  if (auto failure = read_prefixes(layout.destinations, head.destinations, capacity.destinations, out->destinations,
                                   &out->destination_link))
    return failure;
  for (uint32_t i = 0; i < kWiresMax; i++) out->wires[i].may_mark = (head.may_mark >> i & 1) != 0;
  hg_mark_table& marks = out->marks;
  std::fill(std::begin(marks.spread), std::end(marks.spread), static_cast<uint8_t>(HG_LINK_UNKNOWN));
  std::fill(std::begin(marks.marks), std::end(marks.marks), hg_mark{HG_VLAN_NONE, HG_DSCP_NONE, 0});
  for (uint32_t i = 0; i < head.links; i++) {
    const auto rule = load<hg_link_rule>(layout.rules + i * sizeof(hg_link_rule));
    if (auto failure = read_rule(rule, capacity.links, wires, *out)) return failure;
  }
  return std::nullopt;
}

std::optional<Failure> measure_tables(std::span<const uint8_t> bytes, EngineCapacity* capacity) {
  Layout layout;
  if (auto failure = read_layout(bytes, layout)) return failure;
  const auto beyond = [](const uint8_t* at, uint32_t count) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
      const uint32_t index = load<hg_prefix>(at + i * sizeof(hg_prefix)).index;
      if (index != HG_NONE) most = std::max(most, index + 1);
    }
    return most;
  };
  capacity->blocks = beyond(layout.blocks, layout.head.blocks);
  capacity->destinations = beyond(layout.destinations, layout.head.destinations);
  capacity->links = 0;
  for (uint32_t i = 0; i < layout.head.links; i++) {
    const auto rule = load<hg_link_rule>(layout.rules + i * sizeof(hg_link_rule));
    capacity->links = std::max<uint32_t>(capacity->links, rule.link + 1u);
  }
  return capacity->links > HG_LINKS_MAX ? std::optional(bad("more links than there may be")) : std::nullopt;
}

}  // namespace headgate
