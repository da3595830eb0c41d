// Tables from TypeScript: every field is checked here once, so that the packet loops need not.
#include <cstring>

#include "runtime/engine.h"

namespace headgate {
namespace {

Failure bad(const std::string& what) { return {"bad_tables", "tables refused: " + what}; }

// Records in a row, copied out because the bytes need not be aligned.
class Records {
 public:
  explicit Records(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  template <typename Record>
  bool take(size_t count, std::vector<Record>* out) {
    if (count > bytes_.size() / sizeof(Record)) return false;
    out->resize(count);
    if (count > 0) memcpy(out->data(), bytes_.data(), count * sizeof(Record));
    bytes_ = bytes_.subspan(count * sizeof(Record));
    return true;
  }
  bool is_empty() const { return bytes_.empty(); }

 private:
  std::span<const uint8_t> bytes_;
};

std::optional<Failure> read_prefixes(const std::vector<hg_prefix>& records, uint32_t capacity, const char* kind,
                                     PrefixTable* out) {
  std::vector<PrefixEntry<uint32_t>> v4;
  std::vector<PrefixEntry<Address6>> v6;
  for (const hg_prefix& record : records) {
    const uint8_t longest = record.family == 4 ? 32 : 128;
    if ((record.family != 4 && record.family != 6) || record.length > longest)
      return bad(std::string(kind) + " with family " + std::to_string(record.family) + " and length " +
                 std::to_string(record.length));
    if (record.index >= capacity)
      return bad(std::string(kind) + " index " + std::to_string(record.index) + " is beyond the capacity of " +
                 std::to_string(capacity));
    if (record.family == 4)
      v4.push_back({load_be32(record.address), record.length, record.index});
    else
      v6.push_back({load_address6(record.address), record.length, record.index});
  }
  *out = PrefixTable(std::move(v4), std::move(v6));
  return std::nullopt;
}

std::optional<Failure> read_rule(const hg_link_rule& rule, const EngineCapacity& capacity, uint32_t wires,
                                 Tables* out) {
  if (rule.link >= capacity.links) return bad("link index " + std::to_string(rule.link) + " is beyond the capacity");
  if (rule.wire >= wires) return bad("link rule of wire " + std::to_string(rule.wire) + ", which does not exist");
  if (rule.vlan > 4094 || rule.dscp > 63) return bad("link rule with a VLAN above 4094 or a DSCP above 63");
  WireRules& wire = out->wires[rule.wire];
  switch (rule.rule) {
    case HG_RULE_WIRE:
      wire.link = rule.link;
      break;
    case HG_RULE_MAC: {
      if (wire.macs == HG_LINKS_MAX) return bad("more than " + std::to_string(HG_LINKS_MAX) + " MAC rules on a wire");
      uint64_t mac = 0;
      for (const uint8_t byte : rule.mac) mac = mac << 8 | byte;
      wire.mac[wire.macs] = mac;
      wire.mac_link[wire.macs++] = rule.link;
      break;
    }
    case HG_RULE_VLAN:
      wire.by_vlan = true;
      wire.vlan_link[rule.vlan] = rule.link;
      break;
    case HG_RULE_DSCP:
      wire.by_dscp = true;
      wire.dscp_link[rule.dscp] = rule.link;
      break;
    default:
      return bad("link rule of unknown kind " + std::to_string(rule.rule));
  }
  const bool has_dscp = rule.mark_dscp != HG_DSCP_NONE;
  const bool has_vlan = rule.mark_vlan != HG_VLAN_NONE;
  if ((has_dscp && rule.mark_dscp > 63) || (has_vlan && (rule.mark_vlan == 0 || rule.mark_vlan > 4094)))
    return bad("mark with a DSCP above 63 or a VLAN outside 1 to 4094");
  out->marks.marks[rule.link] = {rule.mark_vlan, rule.mark_dscp, 0};
  if (has_dscp) out->marks.reserved_dscp |= uint64_t{1} << rule.mark_dscp;
  if (has_dscp || has_vlan) out->marks.enabled = 1;
  return std::nullopt;
}

}  // namespace

std::optional<Failure> read_tables(std::span<const uint8_t> bytes, const EngineCapacity& capacity, uint32_t wires,
                                   Tables* out) {
  Records records(bytes);
  std::vector<hg_tables_head> heads;
  std::vector<hg_prefix> blocks;
  std::vector<hg_prefix> destinations;
  std::vector<hg_link_rule> links;
  if (!records.take(1, &heads)) return bad("shorter than their head");
  const hg_tables_head& head = heads.front();
  if (head.version != HG_ABI_VERSION) return bad("of another version; rebuild with scripts/build");
  if (!records.take(head.blocks, &blocks) || !records.take(head.destinations, &destinations) ||
      !records.take(head.links, &links) || !records.is_empty())
    return bad("their length does not agree with their head");

  if (auto failure = read_prefixes(blocks, capacity.blocks, "block", &out->blocks)) return failure;
  if (auto failure = read_prefixes(destinations, capacity.destinations, "destination", &out->destinations))
    return failure;
  out->destination_link.assign(capacity.destinations, HG_LINK_UNKNOWN);
  for (const hg_prefix& destination : destinations) out->destination_link[destination.index] = destination.link;
  memset(out->marks.spread, HG_LINK_UNKNOWN, sizeof out->marks.spread);
  for (hg_mark& mark : out->marks.marks) mark = {HG_VLAN_NONE, HG_DSCP_NONE, 0};
  for (uint32_t wire = 0; wire < wires; wire++) out->wires[wire].may_mark = (head.may_mark >> wire & 1) != 0;
  for (const hg_link_rule& rule : links) {
    if (auto failure = read_rule(rule, capacity, wires, out)) return failure;
  }
  return std::nullopt;
}

}  // namespace headgate
