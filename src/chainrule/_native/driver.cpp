#include "driver.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "columns.hpp"
#include "secant.hpp"
#include "threads.hpp"

namespace chainrule {
namespace {

// The matrix of this many blocks, one after the other, is one leaf of its tree: a leaf is long where there are enough of them.
std::int64_t blocks_of_leaf(const Job& job, std::int64_t blocks) {
  if (!(job.what & kHessian)) return 1;
  const std::int64_t share = blocks / 16;
  return share < 1 ? 1 : share > 8 ? 8 : share;
}

}  // namespace

Reading read_rows(const Kernels& kernels, const Job& job, int threads, const std::function<bool()>& interrupted) {
  if (lies_in_columns(job)) return read_dense_columns(kernels, job, threads, interrupted);
  const std::int64_t blocks = (job.m + kBlockRows - 1) / kBlockRows, per_leaf = blocks_of_leaf(job, blocks);
  const std::int64_t leaves = (blocks + per_leaf - 1) / per_leaf;
  const Layout layout(job);
  const std::int64_t matrix_size = MatrixLayout(job).size;
  Tree tree(layout.size, layout.extremes, blocks), matrices(matrix_size, matrix_size, leaves);
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> stop{false};
  std::exception_ptr failure;
  std::mutex failure_mutex;

  const auto work = [&](bool asks) {
    try {
      Doubles scratch(static_cast<std::size_t>(kernels.scratch_doubles(job)));
      auto asked = std::chrono::steady_clock::now();
      while (!stop) {
        const std::int64_t leaf = next++;
        if (leaf >= leaves) return;
        const std::int64_t first_block = leaf * per_leaf;
        const std::int64_t end_block = first_block + per_leaf < blocks ? first_block + per_leaf : blocks;
        Doubles matrix = matrices.take_buffer();
        for (std::int64_t block = first_block; block < end_block && !stop; ++block) {
          const std::int64_t first = block * kBlockRows;
          const std::int64_t end = first + kBlockRows < job.m ? first + kBlockRows : job.m;
          Doubles sums = tree.take_buffer();
          kernels.block(job, first, end, sums.data(), matrix.data(), block == first_block, scratch.data());
          tree.add(block, std::move(sums));
          if (!asks) continue;
          const auto now = std::chrono::steady_clock::now();
          if (now - asked < std::chrono::milliseconds(50)) continue;
          asked = now;
          if (interrupted()) stop = true;
        }
        if (matrix_size) matrices.add(leaf, std::move(matrix));
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(failure_mutex);
      failure = std::current_exception();
      stop = true;
    }
  };

  std::vector<std::thread> others;
  const std::int64_t useful = threads < leaves ? threads : leaves;
  try {
    for (std::int64_t k = 1; k < useful; ++k) others.emplace_back(work, false);
  } catch (const std::system_error&) {
    // The system gives no more threads: those that there are do the work, with the same bits.
  }
  work(true);
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
  return {tree.root(), matrices.root()};
}

Doubles sum_blocks(std::int64_t m, std::int64_t size, std::int64_t added, std::int64_t scratch, int threads,
                   const std::function<bool()>& interrupted,
                   const std::function<void(std::int64_t first, std::int64_t end, double* sums, double* scratch)>& block) {
  const std::int64_t blocks = (m - 1) / kBlockRows + 1;
  Tree tree(size, added, blocks);
  Spare memory(scratch);
  run_pieces(blocks, threads, interrupted, [&](std::int64_t piece, Watch&) {
    const std::int64_t first = piece * kBlockRows;
    Doubles sums = tree.take_buffer(), own = memory.take();
    block(first, m - first > kBlockRows ? first + kBlockRows : m, sums.data(), own.data());
    memory.give(std::move(own));
    tree.add(piece, std::move(sums));
  });
  return tree.root();
}

void unpack(const Job& job, const double* packed, double* matrix, const std::int64_t* place, std::int64_t side) {
  const MatrixLayout layout(job);
  const std::int64_t ld = place ? side : job.n + 1;
  for (std::int64_t j = 0; j < layout.strips; ++j)
    for (std::int64_t i = 0; i <= j; ++i) {
      const double* block = packed + layout.block(i, j);
      for (std::int64_t a = 0; a < layout.lanes; ++a)
        for (std::int64_t b = i == j ? a : 0; b < layout.lanes; ++b) {
          std::int64_t row = layout.column(i, a), column = layout.column(j, b);
          if (row < 0 || column < 0) continue;
          if (place) row = place[row], column = place[column];
          matrix[row * ld + column] = matrix[column * ld + row] = block[layout.lanes * a + b];
        }
    }
}

const Kernels* choose_kernels(const char* name) {
  struct Candidate {
    const Kernels* kernels;
    bool runs;
  };
  const Candidate candidates[] = {
#ifdef CHAINRULE_HAS_AVX512
      {&avx512::kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("fma")},
#endif
#ifdef CHAINRULE_HAS_AVX2
      {&avx2::kernels, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
      {&baseline::kernels, true},
  };
  for (const Candidate& candidate : candidates)
    if (candidate.runs && (!name || std::strcmp(name, candidate.kernels->name) == 0)) return candidate.kernels;
  return nullptr;
}

const SecantKernel& secant_kernel_of([[maybe_unused]] const Kernels& kernels) {
#ifdef CHAINRULE_HAS_AVX512
  if (&kernels == &avx512::kernels) return avx512::secant_kernel;
#endif
#ifdef CHAINRULE_HAS_AVX2
  if (&kernels == &avx2::kernels) return avx2::secant_kernel;
#endif
  return baseline::secant_kernel;
}

}  // namespace chainrule
