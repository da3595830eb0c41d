#include "runtime/packet_loop.h"

namespace headgate {
namespace {

constexpr uint64_t kCopyNs = 1'000'000'000;

}  // namespace

void PacketLoop::start(const std::string& name, int nice, Pipeline* pipeline) {
  pipeline_ = pipeline;
  thread_.start(name, nice, [this] { run(); });
}

void PacketLoop::copy_tables(uint64_t now_ns) {
  if (now_ns - copied_ns_ < kCopyNs) return;
  copied_ns_ = now_ns;
  sessions_occupied_.store(pipeline_->sessions().stats().occupied, std::memory_order_relaxed);
  auto& resolvers = pipeline_->resolvers().table();
  if (resolvers.stats().occupied != 0) {
    const std::lock_guard lock(copy_);
    resolvers_.clear();
    for (size_t i = 0; i < resolvers.slots(); i++) {
      if (resolvers.at(i).hash != 0) resolvers_.push_back(resolvers.at(i));
    }
  }
  NetworkTable& networks = pipeline_->networks();
  if (networks.occupied() != 0) {
    const std::lock_guard lock(copy_);
    networks_.clear();
    networks.each([this](const Network& network) { networks_.push_back(network); });
  }
  if (!pipeline_->settings().finds_heaviest) return;
  const std::lock_guard lock(copy_);
  heaviest_.clear();
  for (size_t i = 0; i < HeavyTable::slots(); i++) {
    const HeavySession& at = pipeline_->heaviest().at(i);
    if (at.bytes == 0) continue;
    const Session* session = at.tag.hash == 0 ? nullptr : pipeline_->sessions().find(at.tag);
    if (session == nullptr || session->state != SessionState::Closed) heaviest_.push_back(at);
  }
}

std::vector<HeavySession> PacketLoop::heaviest() const {
  const std::lock_guard lock(copy_);
  return heaviest_;
}

std::vector<Network> PacketLoop::networks() const {
  const std::lock_guard lock(copy_);
  return networks_;
}

std::vector<Resolver> PacketLoop::resolvers() const {
  const std::lock_guard lock(copy_);
  return resolvers_;
}

}  // namespace headgate
