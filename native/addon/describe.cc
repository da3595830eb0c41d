// What this build means by its records and lists: TypeScript generates its mirror from it, and compares at start.
#include <cstddef>

#include "abi/engine.h"
#include "abi/tables.h"
#include "addon/wire.h"
#include "core/mark.h"
#include "core/parse.h"
#include "drivers/driver.h"
#include "runtime/engine.h"

namespace headgate {
namespace {

struct Field {
  const char* name;
  size_t offset;
  size_t bytes;
};

struct Record {
  const char* name;
  size_t bytes;
  std::vector<Field> fields;
};

#define HG_FIELD(record, field) {#field, offsetof(record, field), sizeof(record::field)}

std::vector<Record> records() {
  return {
      {"tables_header",
       sizeof(hg_tables_header),
       {HG_FIELD(hg_tables_header, magic), HG_FIELD(hg_tables_header, version), HG_FIELD(hg_tables_header, blocks),
        HG_FIELD(hg_tables_header, destinations), HG_FIELD(hg_tables_header, rules),
        HG_FIELD(hg_tables_header, links), HG_FIELD(hg_tables_header, generation),
        HG_FIELD(hg_tables_header, may_mark)}},
      {"prefix_record",
       sizeof(hg_prefix_record),
       {HG_FIELD(hg_prefix_record, address), HG_FIELD(hg_prefix_record, network), HG_FIELD(hg_prefix_record, length),
        HG_FIELD(hg_prefix_record, way), HG_FIELD(hg_prefix_record, index)}},
      {"link_rule",
       sizeof(hg_link_rule),
       {HG_FIELD(hg_link_rule, kind), HG_FIELD(hg_link_rule, link), HG_FIELD(hg_link_rule, wire),
        HG_FIELD(hg_link_rule, dscp), HG_FIELD(hg_link_rule, vlan), HG_FIELD(hg_link_rule, mac)}},
      {"marks_header",
       sizeof(hg_marks_header),
       {HG_FIELD(hg_marks_header, magic), HG_FIELD(hg_marks_header, version), HG_FIELD(hg_marks_header, generation), HG_FIELD(hg_marks_header, links),
        HG_FIELD(hg_marks_header, ways), HG_FIELD(hg_marks_header, key), HG_FIELD(hg_marks_header, down),
        HG_FIELD(hg_marks_header, otherwise)}},
      {"half_segment",
       sizeof(hg_half_segment),
       {HG_FIELD(hg_half_segment, session), HG_FIELD(hg_half_segment, time_ns), HG_FIELD(hg_half_segment, seq),
        HG_FIELD(hg_half_segment, ack), HG_FIELD(hg_half_segment, payload_bytes), HG_FIELD(hg_half_segment, tsval),
        HG_FIELD(hg_half_segment, tsecr), HG_FIELD(hg_half_segment, link),
        HG_FIELD(hg_half_segment, direction), HG_FIELD(hg_half_segment, flags),
        HG_FIELD(hg_half_segment, has_timestamps)}},
      {"link_mark",
       sizeof(hg_link_mark),
       {HG_FIELD(hg_link_mark, vlan), HG_FIELD(hg_link_mark, dscp)}},
      {"traffic",
       sizeof(hg_traffic),
       {HG_FIELD(hg_traffic, packets), HG_FIELD(hg_traffic, ip_bytes), HG_FIELD(hg_traffic, l2_bytes)}},
      {"block_cell",
       sizeof(hg_block_cell),
       {HG_FIELD(hg_block_cell, block), HG_FIELD(hg_block_cell, link), HG_FIELD(hg_block_cell, direction),
        HG_FIELD(hg_block_cell, traffic)}},
      {"destination_cell",
       sizeof(hg_destination_cell),
       {HG_FIELD(hg_destination_cell, destination), HG_FIELD(hg_destination_cell, packets),
        HG_FIELD(hg_destination_cell, l2_bytes)}},
      {"block_rtt",
       sizeof(hg_block_rtt),
       {HG_FIELD(hg_block_rtt, samples), HG_FIELD(hg_block_rtt, p50_us), HG_FIELD(hg_block_rtt, p95_us)}},
      {"tcp_counts",
       sizeof(hg_tcp_counts),
       {HG_FIELD(hg_tcp_counts, data_segments), HG_FIELD(hg_tcp_counts, data_bytes),
        HG_FIELD(hg_tcp_counts, lost_beyond), HG_FIELD(hg_tcp_counts, needless),
        HG_FIELD(hg_tcp_counts, lost_before), HG_FIELD(hg_tcp_counts, spurious),
        HG_FIELD(hg_tcp_counts, retransmitted_bytes), HG_FIELD(hg_tcp_counts, reordered),
        HG_FIELD(hg_tcp_counts, duplicates), HG_FIELD(hg_tcp_counts, keep_alives),
        HG_FIELD(hg_tcp_counts, window_probes)}},
      {"rtt_counts",
       sizeof(hg_rtt_counts),
       {HG_FIELD(hg_rtt_counts, samples), HG_FIELD(hg_rtt_counts, p50_us), HG_FIELD(hg_rtt_counts, p95_us),
        HG_FIELD(hg_rtt_counts, p99_us), HG_FIELD(hg_rtt_counts, bucket)}},
      {"link_counts", sizeof(hg_link_counts), {HG_FIELD(hg_link_counts, tcp), HG_FIELD(hg_link_counts, rtt)}},
      {"passed",
       sizeof(hg_passed),
       {HG_FIELD(hg_passed, frames), HG_FIELD(hg_passed, packets), HG_FIELD(hg_passed, bytes)}},
      {"quic_counts",
       sizeof(hg_quic_counts),
       {HG_FIELD(hg_quic_counts, sessions), HG_FIELD(hg_quic_counts, spinning), HG_FIELD(hg_quic_counts, refused),
        HG_FIELD(hg_quic_counts, samples), HG_FIELD(hg_quic_counts, p5_us), HG_FIELD(hg_quic_counts, p25_us)}},
      {"wire_counts",
       sizeof(hg_wire_counts),
       {HG_FIELD(hg_wire_counts, unit), HG_FIELD(hg_wire_counts, bypass), HG_FIELD(hg_wire_counts, lost_inbound),
        HG_FIELD(hg_wire_counts, lost_outbound), HG_FIELD(hg_wire_counts, discarded),
        HG_FIELD(hg_wire_counts, copies_due), HG_FIELD(hg_wire_counts, copies_lost),
        HG_FIELD(hg_wire_counts, copies_left_out), HG_FIELD(hg_wire_counts, unmarked), HG_FIELD(hg_wire_counts, state),
        HG_FIELD(hg_wire_counts, driver), HG_FIELD(hg_wire_counts, workers), HG_FIELD(hg_wire_counts, by_worker),
        HG_FIELD(hg_wire_counts, quic)}},
      {"pipeline_counts",
       sizeof(hg_pipeline_counts),
       {HG_FIELD(hg_pipeline_counts, generation), HG_FIELD(hg_pipeline_counts, unparsed),
        HG_FIELD(hg_pipeline_counts, sessions_begun), HG_FIELD(hg_pipeline_counts, sessions_refused),
        HG_FIELD(hg_pipeline_counts, sessions_occupied), HG_FIELD(hg_pipeline_counts, session_slots),
        HG_FIELD(hg_pipeline_counts, resyncs), HG_FIELD(hg_pipeline_counts, resolvers_refused), HG_FIELD(hg_pipeline_counts, networks_refused),
        HG_FIELD(hg_pipeline_counts, marked), HG_FIELD(hg_pipeline_counts, cleared),
        HG_FIELD(hg_pipeline_counts, sessions_kept), HG_FIELD(hg_pipeline_counts, sessions_remarked),
        HG_FIELD(hg_pipeline_counts, exceptions), HG_FIELD(hg_pipeline_counts, exceptions_max),
        HG_FIELD(hg_pipeline_counts, exceptions_lost), HG_FIELD(hg_pipeline_counts, sessions_marked)}},
      {"resolver",
       sizeof(hg_resolver),
       {HG_FIELD(hg_resolver, address), HG_FIELD(hg_resolver, queries), HG_FIELD(hg_resolver, family)}},
      {"network_rtt",
       sizeof(hg_network_rtt),
       {HG_FIELD(hg_network_rtt, rtt_us), HG_FIELD(hg_network_rtt, samples), HG_FIELD(hg_network_rtt, link)}},
      {"network",
       sizeof(hg_network),
       {HG_FIELD(hg_network, prefix), HG_FIELD(hg_network, host), HG_FIELD(hg_network, resolver),
        HG_FIELD(hg_network, resolver_votes), HG_FIELD(hg_network, sessions), HG_FIELD(hg_network, family),
        HG_FIELD(hg_network, resolver_family), HG_FIELD(hg_network, rtt)}},
      {"heavy_session",
       sizeof(hg_heavy_session),
       {HG_FIELD(hg_heavy_session, source), HG_FIELD(hg_heavy_session, destination), HG_FIELD(hg_heavy_session, l2_bytes),
        HG_FIELD(hg_heavy_session, source_port), HG_FIELD(hg_heavy_session, destination_port),
        HG_FIELD(hg_heavy_session, family), HG_FIELD(hg_heavy_session, protocol)}},
  };
}

#undef HG_FIELD

}  // namespace

Napi::Value describe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object all = Napi::Object::New(env);
  for (const Record& record : records()) {
    Napi::Object fields = Napi::Object::New(env);
    for (const Field& field : record.fields) {
      Napi::Array place = Napi::Array::New(env, 2);
      place.Set(0U, static_cast<double>(field.offset));
      place.Set(1U, static_cast<double>(field.bytes));
      fields.Set(field.name, place);
    }
    Napi::Object described = Napi::Object::New(env);
    described.Set("bytes", static_cast<double>(record.bytes));
    described.Set("fields", fields);
    all.Set(record.name, described);
  }
  const auto names = [&](size_t count, auto name) {
    Napi::Array list = Napi::Array::New(env, count);
    for (uint32_t i = 0; i < count; i++) list.Set(i, Napi::String::New(env, name(i)));
    return list;
  };
  Napi::Array bounds = Napi::Array::New(env);
  for (const uint32_t bound : kRttBoundsUs) bounds.Set(bounds.Length(), bound);
  Napi::Object described = Napi::Object::New(env);
  described.Set("version", HG_ABI_VERSION);
  described.Set("linksMax", HG_LINKS_MAX);
  described.Set("workersMax", HG_WORKERS_MAX);
  described.Set("waysMax", HG_WAYS_MAX);
  described.Set("buckets", HG_BUCKETS);
  described.Set("losses", names(kLosses, [](uint32_t i) { return kLossNames[i]; }));
  described.Set("unparsed", names(kUnparsedReasons, [](uint32_t i) { return name_of(static_cast<Unparsed>(i)); }));
  described.Set("rttBoundsUs", bounds);
  described.Set("records", all);
  return described;
}

}  // namespace headgate
