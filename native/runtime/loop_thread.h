// A thread that goes round until it is told to end, and can be woken from a wait.
#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace headgate {

class LoopThread {
 public:
  LoopThread() = default;
  ~LoopThread() { stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // `name`: as tools show it, cut to 15 bytes. `nice`: how it stands to others that want its processor; without the
  // right to that it works as well as the machine is idle.
  void start(const std::string& name, int nice, std::function<void()> run);
  // Waits until run() has returned. Twice is harmless.
  void stop();

  bool is_stopping() const { return is_stopping_.load(std::memory_order_relaxed); }
  // Readable once run() shall return: ends a wait.
  int wake() const { return wake_; }

 private:
  std::atomic<bool> is_stopping_{false};
  int wake_ = -1;  // an eventfd
  std::thread thread_;
};

}  // namespace headgate
