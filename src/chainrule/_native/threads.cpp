#include "threads.hpp"

#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace chainrule {

bool run_pieces(std::int64_t pieces, int threads, const std::function<bool()>& interrupted,
                const std::function<void(std::int64_t piece, Watch& watch)>& piece) {
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> stop{false};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&](bool asks) {
    try {
      Watch watch(stop, asks ? &interrupted : nullptr);
      for (std::int64_t k = next++; k < pieces && !watch.stops(); k = next++) piece(k, watch);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(failure_mutex);
      failure = std::current_exception();
      stop = true;
    }
  };
  std::vector<std::thread> others;
  const std::int64_t useful = threads < pieces ? threads : pieces;
  try {
    for (std::int64_t k = 1; k < useful; ++k) others.emplace_back(work, false);
  } catch (const std::system_error&) {
    // The system gives no more threads: the existing ones do the work, with the same bits.
  }
  work(true);
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
  return !stop;
}

}  // namespace chainrule
