#include "stochastic.hpp"

#include <chrono>
#include <vector>

namespace chainrule {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio, odd
constexpr std::int64_t kChunk = 1024;                  // places computed in advance

std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Order::Order(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch) : size_(size) {
  int bits = 1;
  while (bits < 63 && (size - 1) >> bits) ++bits;
  low_bits_ = bits / 2;
  rounds_ = bits < 12 ? kRoundsOfFew : kRounds;
  low_mask_ = (std::uint64_t{1} << low_bits_) - 1;
  high_mask_ = (std::uint64_t{1} << (bits - low_bits_)) - 1;
  const std::uint64_t state = mixed(mixed(seed + kGolden) + kGolden * (epoch + 1));
  for (int round = 0; round < rounds_; ++round) keys_[round] = mixed(state + kGolden * static_cast<std::uint64_t>(round + 1));
}

std::uint64_t Order::operator()(std::uint64_t place) const {
  do {
    std::uint64_t high = place >> low_bits_, low = place & low_mask_;
    for (int round = 0; round < rounds_; round += 2) {
      high ^= (mixed(low + keys_[round]) >> 32) & high_mask_;
      low ^= (mixed(high + keys_[round + 1]) >> 32) & low_mask_;
    }
    place = high << low_bits_ | low;
  } while (place >= size_);
  return place;
}

void descend(const Kernels& kernels, const Job& job, Descent& descent, const Order& order, const std::int64_t* kept, std::int64_t rows,
             std::int64_t first, std::int64_t end, const Interrupted& interrupted) {
  Doubles scratch(static_cast<std::size_t>(kernels.scratch_doubles(job) + 2 * job.n + 64));
  std::vector<std::int64_t> places(static_cast<std::size_t>(kChunk));
  descent.places = places.data();
  const std::int64_t last = end > rows / descent.batch ? rows : end * descent.batch;
  auto asked = std::chrono::steady_clock::now();
  for (std::int64_t place = first * descent.batch; place < last; place += descent.count) {
    descent.count = last - place < kChunk ? last - place : kChunk;
    descent.ends = place + descent.count == last;
    for (std::int64_t k = 0; k < descent.count; ++k) {
      const auto at = static_cast<std::int64_t>(order(static_cast<std::uint64_t>(place + k)));
      places[static_cast<std::size_t>(k)] = kept ? kept[at] : at;
    }
    kernels.descend(job, descent, scratch.data());
    const auto now = std::chrono::steady_clock::now();
    if (now - asked < std::chrono::milliseconds(50)) continue;
    asked = now;
    if (interrupted()) return;
  }
}

}  // namespace chainrule
