// Pieces of work, dealt to threads in order. What a piece computes must not depend on which thread computes it.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

namespace chainrule {

// A piece asks this now and then whether to give up. The calling thread checks for signals every 50 ms, the others check its flag.
class Watch {
 public:
  Watch(std::atomic<bool>& stop, const std::function<bool()>* interrupted) : stop_(stop), interrupted_(interrupted) {}

  bool stops() {
    if (!interrupted_ || stop_) return stop_;
    const auto now = std::chrono::steady_clock::now();
    if (now - asked_ < std::chrono::milliseconds(50)) return false;
    asked_ = now;
    if ((*interrupted_)()) stop_ = true;
    return stop_;
  }

 private:
  std::atomic<bool>& stop_;
  const std::function<bool()>* interrupted_;
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
};

// Runs piece(0), ..., piece(pieces - 1), in this order as far as threads allow; false if `interrupted`, called on the calling
// thread, returned true: then pieces are missing. What a piece throws is thrown again when all threads have ended.
bool run_pieces(std::int64_t pieces, int threads, const std::function<bool()>& interrupted,
                const std::function<void(std::int64_t piece, Watch& watch)>& piece);

}  // namespace chainrule
