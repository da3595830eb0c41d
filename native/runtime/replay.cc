#include "runtime/replay.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "core/common_packet.h"

namespace headgate {
namespace {

// Room for a session per 680 bytes of capture (a handshake, an end and little between) at a load of 3/4, within these bounds.
constexpr uint32_t kSlotsMin = 1u << 12, kSlotsMax = 1u << 21;

uint32_t slots_for(uint64_t file_bytes) {
  const uint64_t wanted = file_bytes / 512;
  uint32_t slots = kSlotsMin;
  while (slots < kSlotsMax && slots < wanted) slots *= 2;
  return slots;
}

// The same for every run, so that a file gives the same counts each time: two segments in a few thousand share a place
// where copies are remembered, and the key (of the digits of pi) says which. Whoever chooses tuples against it makes slow a file, not a wire.
constexpr HashKey kHashKey{{0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
                            0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917}};

// Below this a thread more costs as much as it brings.
constexpr uint64_t kShareBytes = 16 << 20;
constexpr unsigned kWorkersMax = 8;

unsigned workers_for(const std::string& path, uint64_t file_bytes) {
  struct stat status;
  // A pipe can be read but once.
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return 1;
  const uint64_t wanted = std::min<uint64_t>(std::thread::hardware_concurrency(), file_bytes / kShareBytes);
  return static_cast<unsigned>(std::clamp<uint64_t>(wanted, 1, kWorkersMax));
}

// Alike for both directions of a session, and for all its packets whatever way they are parsed.
uint32_t mix(uint32_t addresses, uint32_t ports) { return (addresses ^ ports * 0x9e3779b1u) * 0x85ebca6bu >> 16; }

uint32_t share_of(const Packet& packet, unsigned shares) {
  if (is_common(packet)) {
    const CommonPacket at{packet.data};
    const uint32_t ports = static_cast<uint32_t>(at.source_port() ^ at.destination_port());
    return mix(at.source() ^ at.destination(), ports) % shares;
  }
  Parsed parsed;
  parse(packet, parsed);
  const uint32_t bytes = parsed.network == 4 ? 4 : 16;
  const uint32_t source_at = parsed.network == 4 ? 12 : 8;
  if (parsed.network == 0 || parsed.network_offset + source_at + 2 * bytes > packet.captured) return 0;
  const uint8_t* const source = packet.data + parsed.network_offset + source_at;
  uint32_t addresses = 0;
  for (uint32_t at = 0; at < 2 * bytes; at += 4) addresses ^= load_be32(source + at);
  return mix(addresses, parsed.has_tcp ? static_cast<uint32_t>(parsed.source_port ^ parsed.destination_port) : 0) % shares;
}

}  // namespace

Replay::Replay(ReplayOptions options) : options_(std::move(options)) {}

bool Replay::open() {
  shares_.push_back(std::make_unique<Share>());
  PcapFile& file = shares_[0]->file;
  if (!file.open(options_.path)) return false;
  PipelineSettings settings;
  settings.direction_by_address = true;
  settings.follows_spin = true;
  settings.resolver_slots = 1 << 14;
  TableLimits limits{};
  if (!options_.tables.empty()) {
    if (!measure_tables(options_.tables.data(), options_.tables.size(), limits, error_)) return false;
    tables_ = decode_tables(options_.tables.data(), options_.tables.size(), limits, error_);
    if (tables_ == nullptr) return false;
  }
  settings.blocks = limits.blocks;
  settings.destinations = limits.destinations;
  settings.links = limits.links;
  settings.half_share = options_.half_share;
  settings.half_key = options_.half_key;
  settings.hash_key = kHashKey;
  if (!options_.write_path.empty() && !writer_.open(options_.write_path)) {
    error_ = options_.write_path + ": " + writer_.error();
    return false;
  }
  unsigned workers = options_.workers != 0 ? options_.workers : workers_for(options_.path, file.file_bytes());
  if (!options_.write_path.empty()) workers = 1;
  settings.session_slots = options_.session_slots != 0 ? options_.session_slots : slots_for(file.file_bytes() / workers);
  if (!prepare(*shares_[0], settings)) return false;
  for (unsigned i = 1; i < workers; i++) {
    auto share = std::make_unique<Share>();
    // What one worker can follow needs no second: the others' failure is no error.
    if (!share->file.open(options_.path) || !prepare(*share, settings)) {
      error_.clear();
      shares_.resize(1);
      break;
    }
    shares_.push_back(std::move(share));
  }
  for (const auto& share : shares_) pipelines_.push_back(share->pipeline.get());
  return true;
}

bool Replay::prepare(Share& share, const PipelineSettings& settings) {
  share.memory = std::make_unique<Memory>(Pipeline::bytes(settings), Pipeline::dense_bytes(settings));
  if (share.memory->data() == nullptr) {
    error_ = "not enough memory for " + std::to_string(Pipeline::bytes(settings) >> 20) + " MiB of tables";
    return false;
  }
  share.pipeline = std::make_unique<Pipeline>(settings, share.memory->data());
  if (tables_ != nullptr) share.pipeline->publish(tables_.get());
  return true;
}

// One worker: the whole file is read, and of it the packets of one share are followed.
void Replay::follow(Share& share, unsigned index) {
  const auto shares = static_cast<unsigned>(shares_.size());
  std::vector<Packet> packets(kBatch * shares);
  std::vector<TcpEvent> items(packets.size() * (1 + SentAgainTable::kPiecesMax));
  TcpEvents events{items.data(), items.size(), 0, 0};
  if (options_.with_frames) share.pipeline->set_events(&events);
  const double total = std::max<double>(1, static_cast<double>(share.file.file_bytes()));
  while (size_t n = share.file.receive(packets.data(), packets.size())) {
    if (shares > 1) {
      size_t kept = 0;
      for (size_t i = 0; i < n; i++) {
        const bool is_ours = share_of(packets[i], shares) == index;
        packets[kept] = packets[i];
        kept += is_ours;
      }
      n = kept;
    }
    share.pipeline->process(packets.data(), n);
    share.classified.insert(share.classified.end(), items.begin(), items.begin() + static_cast<ptrdiff_t>(events.count));
    events.count = 0;
    if (options_.half_share != 0) share.pipeline->halves().drain(&share.halves);
    if (!options_.write_path.empty()) {
      for (size_t i = 0; i < n && error_.empty(); i++) {
        if (!writer_.write(packets[i])) error_ = options_.write_path + ": " + writer_.error();
      }
      if (!error_.empty()) break;
    }
    if (index == 0) progress_.store(static_cast<double>(share.file.consumed()) / total, std::memory_order_relaxed);
  }
  share.pipeline->set_events(nullptr);
}

void Replay::run() {
  const auto started = std::chrono::steady_clock::now();
  if (!open()) return;
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < shares_.size(); i++) threads.emplace_back([this, i] { follow(*shares_[i], i); });
  follow(*shares_[0], 0);
  for (auto& thread : threads) thread.join();
  for (const auto& share : shares_)
    classified_.insert(classified_.end(), share->classified.begin(), share->classified.end());
  for (const auto& share : shares_) halves_.insert(halves_.end(), share->halves.begin(), share->halves.end());
  std::stable_sort(classified_.begin(), classified_.end(),
                   [](const TcpEvent& a, const TcpEvent& b) { return a.frame < b.frame; });
  // What was said of a frame last holds.
  size_t kept = 0;
  for (const TcpEvent& event : classified_) {
    kept -= kept > 0 && classified_[kept - 1].frame == event.frame;
    classified_[kept++] = event;
  }
  classified_.resize(kept);
  if (!options_.write_path.empty() && !writer_.close() && error_.empty())
    error_ = options_.write_path + ": " + writer_.error();
  elapsed_s_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

}  // namespace headgate
