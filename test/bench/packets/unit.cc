// headgate's own pipeline with everything on, without Node: what the addon runs, timed from inside.
//   unit FILE REPEATS WORKERS
// 16,384 blocks, 4 links known by the router's MAC address, DSCP marks on outbound packets. Several workers take
// FILE.0, FILE.1 ..., which the generator shared out by session. Prints CPU nanoseconds per packet.
//   unit tables
// times the building of a full Internet table of 1.1 million and 250,000 prefixes.
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/byte_order.h"
#include "core/pipeline.h"
#include "drivers/pcap_file.h"
#include "runtime/memory.h"

using namespace headgate;

namespace {

double thread_cpu_s() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double wall_s() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Outcome {
  double cpu_s = 0, wall_s = 0;
  uint64_t packets = 0, retransmitted = 0, sessions = 0, samples = 0, marked = 0, refused = 0;
};

std::unique_ptr<Tables> make_tables() {
  auto tables = std::make_unique<Tables>();
  std::vector<PrefixEntry<uint32_t>> blocks;
  for (uint32_t i = 0; i < 16384; i++) blocks.push_back({0x0a000000u + (i << 10), 22, i});
  tables->blocks = PrefixTable(std::move(blocks), {});
  WireRules& wire = tables->wires[0];
  wire.may_mark = true;
  wire.macs = 1;
  wire.mac[0] = 0x020000000002;
  wire.mac_link[0] = 0;
  hg_mark_table& marks = tables->marks.table;
  marks.enabled = 1;
  marks.ways = 1;
  marks.otherwise = HG_LINKS_MAX;
  for (unsigned i = 0; i < HG_BUCKETS; i++)
    tables->marks.buckets.push_back({static_cast<uint8_t>(i & 3), static_cast<uint8_t>(HG_LINK_UNKNOWN)});
  for (unsigned i = 0; i < HG_LINKS_MAX; i++) marks.marks[i] = {HG_VLAN_NONE, static_cast<uint8_t>(10 + i), 0};
  return tables;
}

Outcome run(const std::string& path, const Tables& tables, const PipelineSettings& settings) {
  const Memory memory(Pipeline::bytes(settings), Pipeline::dense_bytes(settings));
  // Pages are touched before the clock starts: on a wire they are there.
  std::memset(memory.data(), 0, memory.size());
  Pipeline pipeline(settings, memory.data());
  pipeline.publish(&tables);
  PcapFile file;
  if (!file.open(path)) std::fprintf(stderr, "%s: %s\n", path.c_str(), file.error().c_str()), std::exit(1);
  Packet packets[kBatch];
  const double began = thread_cpu_s(), began_wall = wall_s();
  while (const size_t n = file.receive(packets, kBatch)) {
    for (size_t i = 0; i < n; i++) packets[i].direction = packets[i].data[11] == 1 ? Direction::Outbound : Direction::Inbound;
    pipeline.process(packets, n);
  }
  Outcome outcome;
  outcome.cpu_s = thread_cpu_s() - began;
  outcome.wall_s = wall_s() - began_wall;
  outcome.packets = pipeline.counts().packets;
  outcome.sessions = pipeline.counts().sessions;
  outcome.marked = pipeline.counts().marked;
  outcome.refused = pipeline.counts().sessions_refused;
  for (uint32_t link = 0; link <= settings.links; link++) {
    for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
      const hg_tcp_counts& tcp = pipeline.tcp(link, direction);
      outcome.retransmitted += tcp.lost_beyond + tcp.lost_before + tcp.spurious;
      outcome.samples += pipeline.rtt(link, direction).samples;
    }
  }
  return outcome;
}

// Lengths as in the global table: most /24 and /48, nested and scattered. Milliseconds to build and to swap it in.
void build_tables() {
  uint64_t state = 1;
  const auto next = [&state] {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);  // splitmix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  };
  std::vector<PrefixEntry<uint32_t>> v4;
  std::vector<PrefixEntry<Address6>> v6;
  for (uint32_t i = 0; i < 1'100'000; i++) {
    const auto length = static_cast<uint8_t>(next() % 10 < 6 ? 24 : 12 + next() % 12);
    v4.push_back({0x01000000u + static_cast<uint32_t>(next()) % 0xdf000000u, length, i});
  }
  for (uint32_t i = 0; i < 250'000; i++) {
    const auto length = static_cast<uint8_t>(next() % 10 < 5 ? 48 : 29 + next() % 19);
    const uint64_t high = 0x2000000000000000u | (next() >> 3);
    v6.push_back({static_cast<Address6>(high) << 64, length, 1'100'000 + i});
  }
  std::printf("{\"ms\":[");
  PipelineSettings settings;
  const Memory memory(Pipeline::bytes(settings));
  Pipeline pipeline(settings, memory.data());
  size_t bytes = 0;
  std::vector<std::unique_ptr<Tables>> published;
  for (unsigned repeat = 0; repeat < 5; repeat++) {
    const double began = wall_s();
    auto tables = std::make_unique<Tables>();
    tables->destinations = PrefixTable(v4, v6);
    pipeline.publish(tables.get());
    std::printf("%s%.1f", repeat != 0 ? "," : "", (wall_s() - began) * 1e3);
    bytes = tables->destinations.bytes();
    published.push_back(std::move(tables));
  }
  std::printf("],\"bytes\":%zu}\n", bytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "tables") == 0) return build_tables(), 0;
  if (argc != 4) return std::fprintf(stderr, "usage: unit FILE REPEATS WORKERS\n"), 2;
  const unsigned repeats = static_cast<unsigned>(std::atoi(argv[2])), workers = static_cast<unsigned>(std::atoi(argv[3]));
  struct stat status;
  if (stat(argv[1], &status) != 0) return std::perror(argv[1]), 1;
  const auto tables = make_tables();
  PipelineSettings settings;
  settings.blocks = 16384;
  settings.links = 4;
  // As many as the plain path has.
  settings.session_slots = 1 << 12;
  while (settings.session_slots < static_cast<uint64_t>(status.st_size) / 240 / workers && settings.session_slots < 1u << 21) settings.session_slots *= 2;
  settings.hash_key = {{0x9ae16a3b2f90404f, 0xc949c7defebe6c6f, 0x7ba9ae16a3b2f904, 0x3c3b2f90404fc949, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3, 0x1d8e4e27c47d124f, 0xeb44accab455d165}};
  std::printf("{\"ns\":[");
  Outcome sum;
  std::vector<double> wall;
  for (unsigned repeat = 0; repeat < repeats; repeat++) {
    std::vector<Outcome> outcomes(workers);
    std::vector<std::thread> threads;
    const auto part = [&](unsigned worker) {
      return workers == 1 ? std::string(argv[1]) : std::string(argv[1]) + "." + std::to_string(worker);
    };
    for (unsigned worker = 1; worker < workers; worker++)
      threads.emplace_back([&, worker] { outcomes[worker] = run(part(worker), *tables, settings); });
    outcomes[0] = run(part(0), *tables, settings);
    for (auto& thread : threads) thread.join();
    sum = Outcome{};
    for (const Outcome& each : outcomes) {
      sum.cpu_s += each.cpu_s;
      sum.wall_s = std::max(sum.wall_s, each.wall_s);
      sum.packets += each.packets;
      sum.retransmitted += each.retransmitted;
      sum.sessions += each.sessions;
      sum.samples += each.samples;
      sum.marked += each.marked;
      sum.refused += each.refused;
    }
    wall.push_back(sum.wall_s);
    std::printf("%s%.2f", repeat != 0 ? "," : "", sum.cpu_s * 1e9 / static_cast<double>(sum.packets));
  }
  std::sort(wall.begin(), wall.end());
  std::printf("],\"wall_s\":%.4f,\"packets\":%llu,\"retransmitted\":%llu,\"sessions\":%llu,\"samples\":%llu,\"marked\":%llu,\"refused\":%llu}\n",
              wall[wall.size() / 2], static_cast<unsigned long long>(sum.packets),
              static_cast<unsigned long long>(sum.retransmitted), static_cast<unsigned long long>(sum.sessions),
              static_cast<unsigned long long>(sum.samples), static_cast<unsigned long long>(sum.marked), static_cast<unsigned long long>(sum.refused));
  return 0;
}
