#include "runtime/replay.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

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

}  // namespace

Replay::Replay(ReplayOptions options) : options_(std::move(options)) {}

bool Replay::open() {
  if (!file_.open(options_.path)) return false;
  PipelineSettings settings;
  settings.direction_by_address = true;
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
  settings.session_slots = options_.session_slots != 0 ? options_.session_slots : slots_for(file_.file_bytes());
  if (getrandom(&settings.hash_key, sizeof settings.hash_key, 0) != static_cast<ssize_t>(sizeof settings.hash_key)) {
    error_ = "no random numbers from the system";
    return false;
  }
  memory_ = std::make_unique<Memory>(Pipeline::bytes(settings), Pipeline::dense_bytes(settings));
  if (memory_->data() == nullptr) {
    error_ = "not enough memory for " + std::to_string(Pipeline::bytes(settings) >> 20) + " MiB of tables";
    return false;
  }
  if (!options_.write_path.empty() && !writer_.open(options_.write_path)) {
    error_ = options_.write_path + ": " + writer_.error();
    return false;
  }
  pipeline_ = std::make_unique<Pipeline>(settings, memory_->data());
  if (tables_ != nullptr) pipeline_->publish(tables_.get());
  return true;
}

void Replay::run() {
  const auto started = std::chrono::steady_clock::now();
  if (!open()) return;
  Packet packets[kBatch];
  TcpEvent items[kBatch];
  TcpEvents events{items, kBatch, 0, 0};
  if (options_.with_frames) pipeline_->set_events(&events);
  const double total = std::max<double>(1, static_cast<double>(file_.file_bytes()));
  while (const size_t n = file_.receive(packets, kBatch)) {
    pipeline_->process(packets, n);
    classified_.insert(classified_.end(), items, items + events.count);
    events.count = 0;
    if (!options_.write_path.empty()) {
      for (size_t i = 0; i < n && error_.empty(); i++) {
        if (!writer_.write(packets[i])) error_ = options_.write_path + ": " + writer_.error();
      }
      if (!error_.empty()) break;
    }
    progress_.store(static_cast<double>(file_.consumed()) / total, std::memory_order_relaxed);
  }
  pipeline_->set_events(nullptr);
  if (!options_.write_path.empty() && !writer_.close() && error_.empty())
    error_ = options_.write_path + ": " + writer_.error();
  elapsed_s_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

}  // namespace headgate
