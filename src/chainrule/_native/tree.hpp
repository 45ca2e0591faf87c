// Memory for sums, and a fixed binary tree that adds them and can be continued later.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace chainrule {

// Memory aligned to a cache line, not initialised.
template <typename T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <typename U>
  Aligned(const Aligned<U>&) {}
  T* allocate(std::size_t size) { return static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{64})); }
  template <typename U>
  void construct(U*) {}
  template <typename U, typename Value>
  void construct(U* at, const Value& value) {
    *at = value;
  }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, std::align_val_t{64}); }
  bool operator==(const Aligned&) const { return true; }
};
using Doubles = std::vector<double, Aligned<double>>;

// Buffers of one size, for reuse.
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

// The sum of leaves index 2^level, ..., (index + 1) 2^level - 1; only the last of these may have fewer rows.
struct Subtree {
  std::int64_t level, index;
  Doubles sums;

  std::int64_t first() const { return index << level; }
};

// Adds leaves: node i of a level is the sum of nodes 2i and 2i + 1 below it. The thread that brings the second of two siblings adds
// them, so few nodes wait at a time; those that wait at the end are the maximal subtrees of the leaves added.
class Tree {
 public:
  // The elements from `added` on are combined by max, not by +.
  Tree(std::int64_t size, std::int64_t added) : added_(static_cast<std::size_t>(added)), spare_(size) {}

  Doubles take_buffer() { return spare_.take(); }
  void give_buffer(Doubles buffer) { spare_.give(std::move(buffer)); }

  void add(Subtree node) {
    for (;;) {
      Subtree sibling;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = waiting_.find({node.level, node.index ^ 1});
        if (found == waiting_.end()) {
          waiting_.emplace(std::pair(node.level, node.index), std::move(node));
          return;
        }
        sibling = std::move(found->second);
        waiting_.erase(found);
      }
      join(node, sibling.sums);
      spare_.give(std::move(sibling.sums));
    }
  }

  // The maximal subtrees, in the order of their rows.
  std::vector<Subtree> subtrees() {
    std::vector<Subtree> nodes;
    for (auto& [key, node] : waiting_) nodes.push_back(std::move(node));
    waiting_.clear();
    std::sort(nodes.begin(), nodes.end(), [](const Subtree& a, const Subtree& b) { return a.first() < b.first(); });
    return nodes;
  }

  // Their sum: a last node without a sibling moves up as it is.
  Doubles root() {
    std::vector<Subtree> nodes = subtrees();
    if (nodes.empty()) return {};
    Doubles sums = std::move(nodes.back().sums);
    for (std::size_t k = nodes.size() - 1; k-- > 0;) combine(sums, nodes[k].sums);
    return sums;
  }

  // A node becomes the one above it.
  void join(Subtree& node, const Doubles& sibling) const {
    combine(node.sums, sibling);
    ++node.level;
    node.index /= 2;
  }

 private:
  void combine(Doubles& sums, const Doubles& other) const {
    for (std::size_t j = 0; j < added_; ++j) sums[j] += other[j];
    for (std::size_t j = added_; j < sums.size(); ++j) sums[j] = other[j] > sums[j] || other[j] != other[j] ? other[j] : sums[j];
  }

  const std::size_t added_;
  Spare spare_;
  std::mutex mutex_;
  std::map<std::pair<std::int64_t, std::int64_t>, Subtree> waiting_;
};

// The leaves of a tree that one thread adds before it hands the sums over: if threads waited for each other at every leaf, which takes
// some microseconds, they would lose a third of their time.
class Branch {
 public:
  explicit Branch(Tree& tree) : tree_(tree) {}

  Doubles take_buffer() {
    if (spare_.empty()) return tree_.take_buffer();
    Doubles buffer = std::move(spare_.back());
    spare_.pop_back();
    return buffer;
  }

  void add(Subtree node) {
    while (!nodes_.empty() && nodes_.back().level == node.level && nodes_.back().index == (node.index ^ 1)) {
      tree_.join(node, nodes_.back().sums);
      spare_.push_back(std::move(nodes_.back().sums));
      nodes_.pop_back();
    }
    nodes_.push_back(std::move(node));
  }

  void end() {
    for (Subtree& node : nodes_) tree_.add(std::move(node));
    for (Doubles& buffer : spare_) tree_.give_buffer(std::move(buffer));
  }

 private:
  Tree& tree_;
  std::vector<Subtree> nodes_;
  std::vector<Doubles> spare_;
};

}  // namespace chainrule
