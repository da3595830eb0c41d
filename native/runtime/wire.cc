#include "runtime/wire.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

namespace headgate {
namespace {

constexpr uint64_t kCopyNs = 1'000'000'000;

}  // namespace

void Wire::start() {
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  thread_ = std::thread([this] {
    // Before everything else that wants the processor: the ring holds some milliseconds only. Of this thread alone;
    // without the right to it, the wire works as well as the machine is idle.
    setpriority(PRIO_PROCESS, 0, -20);
    run();
  });
  pthread_setname_np(thread_.native_handle(), ("wire " + options_.name).substr(0, 15).c_str());
}

void Wire::stop() {
  if (!thread_.joinable()) return;
  is_stopping_.store(true, std::memory_order_relaxed);
  eventfd_write(wake_, 1);
  thread_.join();
  ::close(wake_);
  wake_ = -1;
}

void Wire::copy_tables(uint64_t now_ns) {
  if (now_ns - copied_ns_ < kCopyNs) return;
  copied_ns_ = now_ns;
  sessions_occupied_.store(pipeline_->sessions().stats().occupied, std::memory_order_relaxed);
  auto& table = pipeline_->resolvers().table();
  if (table.stats().occupied == 0) return;
  const std::lock_guard lock(copy_);
  resolvers_.clear();
  for (size_t i = 0; i < table.slots(); i++) {
    if (table.at(i).hash != 0) resolvers_.push_back(table.at(i));
  }
}

std::vector<Resolver> Wire::resolvers() const {
  const std::lock_guard lock(copy_);
  return resolvers_;
}

}  // namespace headgate
