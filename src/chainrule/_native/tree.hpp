// Memory for sums, and a fixed binary tree to add them in.
#pragma once
#include <cstdint>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

namespace chainrule {

// Memory that begins with a cache line.
template <typename T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <typename U>
  Aligned(const Aligned<U>&) {}
  T* allocate(std::size_t size) { return static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, std::align_val_t{64}); }
  bool operator==(const Aligned&) const { return true; }
};
using Doubles = std::vector<double, Aligned<double>>;

// Buffers of one size that go from hand to hand.
class Spare {
 public:
  explicit Spare(std::int64_t size) : size_(static_cast<std::size_t>(size)) {}

  Doubles take() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!spare_.empty()) {
        Doubles buffer = std::move(spare_.back());
        spare_.pop_back();
        return buffer;
      }
    }
    return Doubles(size_);
  }

  void give(Doubles buffer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    spare_.push_back(std::move(buffer));
  }

 private:
  const std::size_t size_;
  std::mutex mutex_;
  std::vector<Doubles> spare_;
};

// A binary tree over the leaves: node i of a level is the sum of nodes 2i and 2i + 1 below it, and a last node without a sibling
// moves up as it is. Whichever thread brings the second of two siblings adds them, so few nodes wait at a time.
class Tree {
 public:
  // The elements from `added` on are combined by max, not by +.
  Tree(std::int64_t size, std::int64_t added, std::int64_t leaves)
      : size_(static_cast<std::size_t>(size)), added_(static_cast<std::size_t>(added)), leaves_(leaves), spare_(size) {}

  Doubles take_buffer() { return spare_.take(); }

  void add(std::int64_t leaf, Doubles sums) {
    std::int64_t index = leaf, count = leaves_;
    for (std::uint64_t level = 0; count > 1; ++level, index /= 2, count = (count + 1) / 2) {
      const std::int64_t sibling = index ^ 1;
      if (sibling >= count) continue;
      Doubles other;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = waiting_.find(key(level, sibling));
        if (found == waiting_.end()) {
          waiting_.emplace(key(level, index), std::move(sums));
          return;
        }
        other = std::move(found->second);
        waiting_.erase(found);
      }
      combine(sums, other);
      spare_.give(std::move(other));
    }
    root_ = std::move(sums);
  }

  Doubles root() { return std::move(root_); }

 private:
  static std::uint64_t key(std::uint64_t level, std::int64_t index) { return level << 56 | static_cast<std::uint64_t>(index); }

  void combine(Doubles& sums, const Doubles& other) const {
    for (std::size_t j = 0; j < added_; ++j) sums[j] += other[j];
    for (std::size_t j = added_; j < size_; ++j) sums[j] = other[j] > sums[j] ? other[j] : sums[j];
  }

  const std::size_t size_, added_;
  const std::int64_t leaves_;
  Spare spare_;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Doubles> waiting_;
  Doubles root_;
};

}  // namespace chainrule
