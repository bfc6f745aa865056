#include "actors/tokenizer/thread_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

namespace troupe::tokens {

namespace {

constexpr std::size_t tables_max = 4;

struct unmapped {
  void operator()(thread_memory* memory) const noexcept { ::munmap(memory, sizeof *memory); }
};

struct remembered {
  std::uint64_t table = 0;
  std::unique_ptr<thread_memory, unmapped> memory;
};

// All zeros is an empty memory. Pages of the system's that are not used yet cost nothing; an
// allocator's would be written to once.
std::unique_ptr<thread_memory, unmapped> empty_memory() {
  auto* memory = ::mmap(nullptr, sizeof(thread_memory), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw std::bad_alloc{};
  return std::unique_ptr<thread_memory, unmapped>{static_cast<thread_memory*>(memory)};
}

} // namespace

thread_memory& memory_of_thread(std::uint64_t table) {
  thread_local std::array<remembered, tables_max> last; // what was used last comes first
  auto found = std::find_if(last.begin(), last.end() - 1,
                            [&](const remembered& r) { return r.table == table; });
  std::rotate(last.begin(), found, found + 1);
  auto& here = last.front();
  if (here.table != table || !here.memory) {
    here.table = table;
    here.memory.reset();
    here.memory = empty_memory();
  }
  return *here.memory;
}

} // namespace troupe::tokens
