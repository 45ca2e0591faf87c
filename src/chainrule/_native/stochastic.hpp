// Stochastic gradient descent: the order of an epoch's rows, and its updates in one call.
#pragma once
#include "reader.hpp"

namespace chainrule {

// A bijection of 0, ..., size - 1, keyed by (seed, epoch), that needs no memory: any place in any epoch's order is computed directly.
//
// A Feistel network (Luby and Rackoff 1988, SIAM Journal on Computing 17) over the fewest bits that hold size - 1: in turn each
// half is xored with a hash of the other and of the round's key; an xor can be undone, so every key gives a bijection. A
// value from `size` on goes through it again (cycle walking: Black and Rogaway 2002, Ciphers with arbitrary finite domains,
// method 2), less than twice on average. The hash is SplitMix64's (Steele, Lea and Flood 2014).
class Order {
 public:
  Order(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch);
  std::uint64_t operator()(std::uint64_t place) const;

 private:
  static constexpr int kRounds = 8, kRoundsOfFew = 32;  // halves of few bits mix slowly
  std::uint64_t size_, high_mask_, low_mask_;
  int low_bits_, rounds_;
  std::uint64_t keys_[kRoundsOfFew];
};

// Updates `first` to `end` of an epoch: its rows in the given order, `descent.batch` per update, fewer in the last one. `kept`
// are the rows to visit, null for all; `rows` their number. descent's places, count and ends are set here. `interrupted` is called
// now and then; when it returns true, the call ends early and its point is invalid.
void descend(const Kernels& kernels, const Job& job, Descent& descent, const Order& order, const std::int64_t* kept, std::int64_t rows,
             std::int64_t first, std::int64_t end, const Interrupted& interrupted);

}  // namespace chainrule
