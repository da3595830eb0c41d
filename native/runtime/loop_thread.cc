#include "runtime/loop_thread.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

namespace headgate {

void LoopThread::start(const std::string& name, int nice, std::function<void()> run) {
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  thread_ = std::thread([nice, run = std::move(run)] {
    // Of this thread alone.
    setpriority(PRIO_PROCESS, 0, nice);
    run();
  });
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

void LoopThread::stop() {
  if (!thread_.joinable()) return;
  is_stopping_.store(true, std::memory_order_relaxed);
  eventfd_write(wake_, 1);
  thread_.join();
  ::close(wake_);
  wake_ = -1;
}

}  // namespace headgate
